"""Ladders with their errors: bands, the compute multiplier of two layouts, and where their laws cross.

Bands come from a bootstrap over seeds and sizes: each draw takes the study's seeds with replacement, and its
sizes with replacement until three different ones are there, and fits the law anew. Layouts of one call share
the draws, so that comparisons stay paired. Over a handful of seeds such intervals are too narrow (two equal
layouts with three seeds and four sizes were told apart in 16 % of simulated studies), so every *comparison*
must also pass a t test over seeds: the jackknife's, which fits the laws without each seed in turn. The wider
of the two intervals is given.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ablate.statistics.compare import Verdict
from ablate.statistics.law import LadderFit, Law, fit_ladder, fit_laws
from ablate.statistics.student import CONFIDENCE, t_quantile

K = TypeVar("K", bound=Hashable)
Array = npt.NDArray[np.float64]
_DISTINCT = 3  # sizes in a draw: as many as the law has parameters
_GRID = 200


@dataclass(frozen=True)
class Ladder:
    """A layout's fitted ladder, the laws of its bootstrap draws, and those without each seed in turn.

    Both are empty where no law is drawn; with a single seed there are none without it.
    """

    fit: LadderFit
    draws: tuple[Law, ...]
    without: tuple[Law, ...] = ()

    @property
    def law(self) -> Law:
        """The fitted law. Raises `ValueError` with the reason where there is none."""
        if self.fit.law is None:
            raise ValueError(self.fit.note)
        return self.fit.law

    def band(self, compute: Sequence[float]) -> tuple[Array, Array]:
        """Low and high end of the 95 % band of the loss at each amount of compute."""
        values = np.array([[law(at) for at in compute] for law in self.draws])
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(values, [tail, 100 - tail], axis=0)
        return low, high


@dataclass(frozen=True)
class Multiplier:
    """How many times the compute B needs to reach A's loss at `at`: above 1, A is the better one.

    Infinite where B's law never gets there. The 95 % interval holds 1 unless the bootstrap and the t test
    over seeds both exclude it; it is NaN with one seed. `note` says what limits it.
    """

    at: float
    value: float
    low: float
    high: float
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """`better` when A certainly needs less compute than B."""
        return "better" if self.low > 1 else "worse" if self.high < 1 else "not resolved"

    def to_json(self) -> dict[str, Any]:
        """Plain data; infinite bounds are the text `inf`, NaN is None."""
        numbers = {key: getattr(self, key) for key in ("at", "value", "low", "high")}
        plain: dict[str, Any] = {
            key: None if math.isnan(value) else "inf" if math.isinf(value) else value
            for key, value in numbers.items()
        }
        return plain | {"verdict": self.verdict, "note": self.note}


@dataclass(frozen=True)
class LawCrossing:
    """The compute from which A's law stays below B's, within the compute that both were measured at.

    `share`: bootstrap draws in which they cross there. Bounds are None unless 95 % of the draws cross, and
    the layouts certainly differ at both ends of the compute.
    """

    estimate: float | None
    low: float | None
    high: float | None
    share: float
    note: str

    @property
    def resolved(self) -> bool:
        """Whether they certainly cross."""
        return self.low is not None


def fit_ladders(
    losses: Mapping[str, Mapping[float, Mapping[K, float]]], *, draws: int = 200, seed: int = 0
) -> dict[str, Ladder]:
    """Fit `{layout: {compute: {seed: loss}}}` and draw the bootstrap; see `ablate.statistics.law`.

    The same `seed` gives the same result.
    """
    fits = {name: fit_ladder(sizes, seed=seed) for name, sizes in losses.items()}
    fitted = [name for name, fit in fits.items() if fit.law is not None]
    seeds = list(dict.fromkeys(key for name in fitted for sample in losses[name].values() for key in sample))
    random = np.random.default_rng(seed)
    samples: dict[str, list[Array]] = {name: [] for name in losses}
    for _ in range(draws):
        chosen = [seeds[i] for i in random.integers(0, len(seeds), len(seeds))] if seeds else []
        places: dict[int, list[int]] = {}  # as many sizes, the same ones
        for name in fitted:
            sizes = fits[name].sizes
            if len(sizes) not in places:
                places[len(sizes)] = _draw_sizes(random, len(sizes))
            points = [sizes[i] for i in places[len(sizes)]]
            values = [[losses[name][size].get(key, math.nan) for key in chosen] for size in points]
            samples[name].append(np.array([np.repeat(points, len(chosen)), np.ravel(values)]))
    return {
        name: Ladder(
            fits[name],
            _laws(samples[name], fits[name]),
            _laws(_without_each(losses[name], fits[name], seeds), fits[name]),
        )
        for name in losses
    }


def _without_each(
    losses: Mapping[float, Mapping[K, float]], fit: LadderFit, seeds: Sequence[K]
) -> list[Array]:
    """The values without each seed in turn; nothing where there is one seed only."""
    if fit.law is None or len(seeds) < 2:
        return []
    out = []
    for left_out in seeds:
        kept = [key for key in seeds if key != left_out]
        values = [[losses[size].get(key, math.nan) for key in kept] for size in fit.sizes]
        out.append(np.array([np.repeat(fit.sizes, len(kept)), np.ravel(values)]))
    return out


def _laws(samples: Sequence[Array], fit: LadderFit) -> tuple[Law, ...]:
    """The draws' laws; a draw whose values are too few, for seeds that failed, takes the fitted one."""
    if fit.law is None or not samples:
        return ()
    compute, losses = np.stack(samples, axis=1)
    enough = [
        len({*points[np.isfinite(values)].tolist()}) >= _DISTINCT
        for points, values in zip(compute, losses, strict=True)
    ]
    drawn = iter(fit_laws(compute[enough], losses[enough]) if any(enough) else [])
    return tuple(next(drawn) if full else fit.law for full in enough)


def compute_multiplier(a: Ladder, b: Ladder, at: float | None = None) -> Multiplier:
    """How many times A's compute B needs to reach A's loss at `at`.

    Default: the geometric middle of the compute that both were measured at. Raises `ValueError` where either
    has no law, or where no `at` is given and nothing is common.
    """
    first, second = a.law, b.law
    low, high = common_range(a, b)
    if at is None:
        if low >= high:
            raise ValueError("the two ladders have no compute in common")
        at = math.sqrt(low * high)
    value = second.compute_for(first(at)) / at
    notes = [
        "" if a.fit.sizes[0] <= at <= a.fit.sizes[-1] else "beyond the sizes of the first",
        "" if b.fit.sizes[0] <= value * at <= b.fit.sizes[-1] else "beyond the sizes of the second",
    ]
    if not (a.without and b.without):
        notes.append("one seed has no error")
        return Multiplier(at, value, math.nan, math.nan, "; ".join(filter(None, notes)))
    pairs = zip(a.draws, b.draws, strict=True)
    ratios = np.array([right.compute_for(left(at)) / at for left, right in pairs])
    tail = 50 * (1 - CONFIDENCE)
    ends = [float(np.percentile(ratios, q, method="nearest")) for q in (tail, 100 - tail)]
    left_out = [y.compute_for(x(at)) / at for x, y in zip(a.without, b.without, strict=True)]
    if all(map(math.isfinite, (value, *left_out))):
        half = _jackknife([math.log(ratio) for ratio in left_out])
        ends = [min(ends[0], value * math.exp(-half)), max(ends[1], value * math.exp(min(half, 700)))]
    if side_at(a, b, at) == 0:  # on the losses, which are finite where a multiplier is not
        ends = [min(ends[0], 1.0), max(ends[1], 1.0)]
    return Multiplier(at, value, ends[0], ends[1], "; ".join(filter(None, notes)))


def side_at(a: Ladder, b: Ladder, at: float) -> int:
    """-1 where A's law certainly lies below B's at this compute, 1 where above, 0 where neither is certain.

    By the jackknife's t test over seeds on the ratio of the two losses.
    """
    if not (a.without and b.without):
        return 0
    gap = math.log(a.law(at) / b.law(at))
    left_out = [math.log(x(at) / y(at)) for x, y in zip(a.without, b.without, strict=True)]
    return 0 if abs(gap) <= _jackknife(left_out) else 1 if gap > 0 else -1


def _jackknife(left_out: Sequence[float]) -> float:
    """Half of the 95 % t interval from the estimates without each seed, by Tukey's jackknife variance."""
    n = len(left_out)
    squares = float(np.square(np.subtract(left_out, np.mean(left_out))).sum())
    return t_quantile(n - 1) * math.sqrt((n - 1) / n * squares)


def law_crossing(a: Ladder, b: Ladder) -> LawCrossing:
    """From which compute on A's loss is below B's. Raises `ValueError` where either has no law."""
    low, high = common_range(a, b)
    if low >= high:
        return LawCrossing(None, None, None, 0.0, "no compute in common")
    estimate = _last_descent(a.law, b.law, low, high)
    outcome = [_last_descent(x, y, low, high) for x, y in zip(a.draws, b.draws, strict=True)]
    crossed = [at for at in outcome if at is not None]
    share = len(crossed) / len(outcome)
    if estimate is None:
        side = "below" if a.law(high) < b.law(high) else "above"
        same = [(x(high) < y(high)) == (side == "below") for x, y in zip(a.draws, b.draws, strict=True)]
        certain = share <= 1 - CONFIDENCE and np.mean(same) >= CONFIDENCE and side_at(a, b, high) != 0
        note = f"A is {side} B" if certain else f"not resolved: A seems to be {side} B"
        return LawCrossing(None, None, None, share, note)
    if share < CONFIDENCE:
        return LawCrossing(estimate, None, None, share, f"not resolved: {share:.0%} of the draws cross")
    if (side_at(a, b, low), side_at(a, b, high)) != (1, -1):
        return LawCrossing(estimate, None, None, share, "not resolved: the ends are not certainly apart")
    tail = 50 * (1 - CONFIDENCE)
    ends = np.percentile(crossed, [tail, 100 - tail])
    return LawCrossing(estimate, float(ends[0]), float(ends[1]), share, "")


def common_range(a: Ladder, b: Ladder) -> tuple[float, float]:
    """The compute that both ladders span."""
    return max(a.fit.sizes[0], b.fit.sizes[0]), min(a.fit.sizes[-1], b.fit.sizes[-1])


def _draw_sizes(random: np.random.Generator, count: int) -> list[int]:
    while len(set(draw := random.integers(0, count, count).tolist())) < _DISTINCT:
        pass
    return sorted(draw)


def _last_descent(a: Law, b: Law, low: float, high: float) -> float | None:
    """Where A's law falls below B's to stay there up to `high`, to 1 part in 10^6; None if it does not."""
    grid = np.geomspace(low, high, _GRID)
    gaps = [a(at) - b(at) for at in grid]
    if gaps[-1] >= 0:
        return None
    for i in range(_GRID - 1, 0, -1):
        if gaps[i - 1] >= 0:
            left, right = float(grid[i - 1]), float(grid[i])
            while right / left > 1 + 1e-6:
                middle = math.sqrt(left * right)
                left, right = (middle, right) if a(middle) >= b(middle) else (left, middle)
            return right
    return None
