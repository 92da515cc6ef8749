"""How counted costs grow with the resolution: exact curves and their local exponents.

Exponents are in N, the number of pixels of the square input (tokens are proportional to it): between two
resolutions r < r', p = log(v'/v) / log(r'^2 / r^2). Over an octave, r' = 2r, a quantity of order N^2 tends to
p = 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias

from ablate.cost.layouts import layout_cost
from ablate.cost.roofline import MachinePeak, machine_peak, roofline_seconds
from ablate.errors import AblateError
from ablate.layout.network import Network

Quantity: TypeAlias = Literal[
    "macs", "inference_fused", "inference_math", "training_fused", "training_math", "roofline_ms"
]
QUANTITIES: tuple[Quantity, ...] = (
    "macs", "inference_fused", "inference_math", "training_fused", "training_math", "roofline_ms",
)  # fmt: skip
"""MACs; bytes at the peak of inference or of a training step, above weights and input, by attention kernel;
roofline time in ms."""

Value: TypeAlias = int | float
Evaluate: TypeAlias = Callable[[int], Value]


@dataclass(frozen=True)
class Curve:
    """One quantity of one layout at some resolutions; `None` where the layout cannot be counted."""

    layout: str
    quantity: Quantity
    resolutions: tuple[int, ...]
    values: tuple[Value | None, ...]
    stride: int = 1  # pixels of the image per position in the last stage
    at: Evaluate | None = field(default=None, compare=False, repr=False)  # the exact value anywhere

    def value(self, resolution: int) -> Value | None:
        """The exact value at a resolution, listed or not; None where there is none."""
        if resolution in self.resolutions:
            return self.values[self.resolutions.index(resolution)]
        return counted(self.at, resolution)

    def exponents(self) -> list[tuple[int, float]]:
        """(r, p) for every listed resolution whose double is in the range: the exponent in N from r to 2r."""
        points = []
        for resolution in self.resolutions:
            if 2 * resolution <= max(self.resolutions):
                value, after = self.value(resolution), self.value(2 * resolution)
                if value and after:
                    points.append((resolution, math.log2(after / value) / 2))
        return points

    def to_json(self) -> dict[str, Any]:
        """Plain data: points and local exponents."""
        return {
            "layout": self.layout,
            "quantity": self.quantity,
            "resolutions": list(self.resolutions),
            "values": list(self.values),
            "exponents": [{"from": r, "to": 2 * r, "exponent": p} for r, p in self.exponents()],
        }


def curves(
    layouts: Mapping[str, Network],
    resolutions: Iterable[int],
    *,
    quantities: Sequence[Quantity] = QUANTITIES,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
    peak: MachinePeak | None = None,
) -> list[Curve]:
    """The exact curves of every layout, one for each quantity, for a whole batch.

    Without `peak` this machine's is measured for the roofline. Everything is counted once and remembered; the
    training peaks take most of the time.
    """
    limits = machine_peak() if peak is None and "roofline_ms" in quantities else peak
    sides = tuple(sorted(set(resolutions)))
    series = []
    for name, layout in layouts.items():
        stride = layout.total_stride
        for quantity in quantities:
            at = _evaluator(layout, quantity, limits, channels, classes, batch)
            values = tuple(counted(at, side) for side in sides)
            series.append(Curve(name, quantity, sides, values, stride, at))
    return series


def _evaluator(
    layout: Network, quantity: Quantity, peak: MachinePeak | None, channels: int, classes: int, batch: int
) -> Evaluate:
    def at(side: int) -> Value:
        cost = layout_cost(layout, side, channels=channels, classes=classes, batch=batch)
        if quantity == "macs":
            return cost.macs
        if quantity == "roofline_ms":
            return 1000 * roofline_seconds(cost, peak)
        mode, _, kernel = quantity.partition("_")
        memory = cost.memory_of("math" if kernel == "math" else "fused")
        return memory.inference_peak if mode == "inference" else memory.training_peak

    return cache(at)


def counted(at: Evaluate | None, side: int) -> Value | None:
    """A value, or None where there is none to count: a model may refuse a size in its own words."""
    if at is None:
        return None
    try:
        return at(side)
    except (AblateError, ValueError, RuntimeError):
        return None
