"""Where a measured curve crosses another, with the interval that the measurements allow. Imports no torch.

Between two measured resolutions, times are interpolated as powers of the resolution: straight lines in the
logarithms of both. The interval comes from the intervals of the points: A may be below B where A's low end
is below B's high end, and certainly is where A's high end is below B's low end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Point:
    """One measured value with its interval, at a resolution in pixels."""

    resolution: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredCrossover:
    """The resolution from which A needs less than B, up to the largest one measured.

    `estimate` comes from the values, `low` and `high` bound it: None means that the bound lies outside of
    the measured range, or that there is none. `resolved` says whether the intervals part at both ends of the
    range, A above B and A below B.
    """

    low: float | None
    estimate: float | None
    high: float | None
    resolved: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain data, pixels."""
        return {
            "low": self.low,
            "resolution": self.estimate,
            "high": self.high,
            "resolved": self.resolved,
            "note": self.note,
        }


def measured_crossover(a: Sequence[Point], b: Sequence[Point]) -> MeasuredCrossover:
    """From which resolution A is below B, over the resolutions that both were measured at.

    With several crossings the last one counts: from there on A stays below. Values must be positive.
    """
    by_resolution = {point.resolution: point for point in b}
    pairs = sorted(
        ((p, by_resolution[p.resolution]) for p in a if p.resolution in by_resolution),
        key=lambda p: p[0].resolution,
    )
    if len(pairs) < 2:
        return _none("fewer than two resolutions in common", resolved=False)
    sides = [math.log(p.resolution) for p, _ in pairs]
    value = [math.log(p.value / q.value) for p, q in pairs]
    least = [math.log(p.low / q.high) for p, q in pairs]  # as far below B as the intervals allow
    most = [math.log(p.high / q.low) for p, q in pairs]
    first, last = pairs[0][0].resolution, pairs[-1][0].resolution
    span = f"{first:g} to {last:g} px"
    if all(low < 0 < high for low, high in zip(least, most, strict=True)):
        return _none(f"not resolved: the intervals overlap at every resolution, {span}", resolved=False)
    if most[-1] >= 0:
        certain = least[-1] > 0
        return _none(
            f"{'A is above B' if certain else 'not resolved'} at the largest resolution, {last:g} px",
            resolved=certain,
        )
    estimate, low, high = (_last_descent(sides, series) for series in (value, least, most))
    if high is None:
        return _none(f"A is below B at every resolution, {span}", resolved=True)
    crossings = sum((x < 0) != (y < 0) for x, y in pairwise(value))
    notes = [
        "" if low is not None else f"no lower bound: A is nowhere certainly above B, {span}",
        f"{crossings} crossings; this is the last one" if crossings > 1 else "",
    ]
    return MeasuredCrossover(low, estimate, high, low is not None, "; ".join(filter(None, notes)))


def local_exponents(resolutions: Sequence[float], values: Sequence[float]) -> list[float]:
    """Exponents p of value ~ N^p between neighbouring resolutions r, with N = r^2 pixels: log(v'/v) /
    log(N'/N)."""
    pairs = list(zip(resolutions, values, strict=True))
    return [
        math.log(after / before) / (2 * math.log(large / small))
        for (small, before), (large, after) in pairwise(pairs)
    ]


def _none(note: str, *, resolved: bool) -> MeasuredCrossover:
    return MeasuredCrossover(None, None, None, resolved, note)


def _last_descent(sides: Sequence[float], series: Sequence[float]) -> float | None:
    """Where the line through the points falls below 0 to stay there, as a resolution; None when it always
    was."""
    for i in range(len(series) - 1, 0, -1):
        if series[i - 1] >= 0 > series[i]:
            share = series[i - 1] / (series[i - 1] - series[i])
            return math.exp(sides[i - 1] + share * (sides[i] - sides[i - 1]))
    return None
