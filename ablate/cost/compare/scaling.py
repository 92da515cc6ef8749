"""How one layout's costs grow with the resolution, and where it crosses the baseline: one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from ablate.cost.compare.crossover import Crossover, crossover
from ablate.cost.compare.curves import Curve, counted, curves
from ablate.cost.layouts import layout_cost
from ablate.cost.roofline import MachinePeak, roofline_seconds
from ablate.layout.network import Network


def scaling(
    layout: Network,
    baseline: Network,
    resolutions: Sequence[int],
    *,
    peak: MachinePeak,
    channels: int = 3,
    classes: int = 1000,
    timed: Sequence[int] = (),
    timed_batch: int = 1,
) -> dict[str, Any]:
    """Curves of one image, their local exponents, and both directions of every crossover, as plain data.

    `curves` holds `values` (MACs, bytes or ms; None where the layout cannot be counted) and `exponents` by
    quantity; `crossovers` is empty for the baseline itself; `timed` the roofline time in ms of a batch of
    `timed_batch` images at the resolutions of `timed`.
    """
    sides = tuple(sorted(set(resolutions)))
    layout_curves = _curves(layout, sides, peak, channels, classes)
    baseline_curves = _curves(baseline, sides, peak, channels, classes)
    pairs = zip(layout_curves, baseline_curves, strict=True) if layout.name != baseline.name else ()

    def roofline(side: int) -> float:
        cost = layout_cost(layout, side, channels=channels, classes=classes, batch=timed_batch)
        return 1000 * roofline_seconds(cost, peak)

    return {
        "baseline": baseline.name,
        "peak": asdict(peak),
        "resolutions": list(sides),
        "curves": {curve.quantity: _record(curve) for curve in layout_curves},
        "crossovers": [crossing.to_json() for a, b in pairs for crossing in _both(a, b)],
        "timed": {
            "batch": timed_batch,
            "resolutions": list(timed),
            "roofline_ms": [counted(roofline, side) for side in timed],
        },
    }


@lru_cache(32)
def _curves(
    layout: Network, sides: tuple[int, ...], peak: MachinePeak, channels: int, classes: int
) -> tuple[Curve, ...]:
    """Remembered, because a process compares several layouts with the same baseline."""
    series = curves({layout.name or "": layout}, sides, channels=channels, classes=classes, peak=peak)
    return tuple(series)


def _record(curve: Curve) -> dict[str, Any]:
    record = curve.to_json()
    return {key: record[key] for key in ("values", "exponents")}


def _both(a: Curve, b: Curve) -> tuple[Crossover, Crossover]:
    return crossover(a, b), crossover(b, a)
