"""`Quantity`: a number that is printed, defined once, for every table, figure, axis, objective and bound.

A measurement declares its quantities beside its values; `ablate.measurements.register` finds them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

MEBI = float(2**20)

Reader = Callable[[Any], float | None]


@dataclass(frozen=True)
class Quantity:
    """One number of a measurement's values.

    `read` is the way from the typed values to the stored number: a dotted path of attributes, or a function.
    The displayed number is the stored one divided by `scale`, in `unit`; `stored` is the stored number's unit
    and `column` its name in CSV files. `digits` is how many significant digits are shown where no error says
    it. `low` and `high` read the ends of its 95 % interval where one value has one; `repeats` says that the
    error comes from repeated cells (seeds). `better` is the direction that a user wants.
    """

    name: str
    label: str
    unit: str
    definition: str
    read: str | Reader
    column: str = ""
    scale: float = 1.0
    digits: int = 3
    stored: str = ""
    better: Literal["lower", "higher", "neither"] = "lower"
    low: str = ""
    high: str = ""
    repeats: bool = False
    listed: bool = True  # whether tables of all quantities show it
    aliases: tuple[str, ...] = ()
    kind: str = ""  # the measurement it belongs to; set by the register

    @property
    def title(self) -> str:
        """Label with unit, for a table's head or an axis: `MACs (G)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def value(self, values: Any) -> float:
        """The stored number; NaN where the values do not have it."""
        return _number(self.read(values) if callable(self.read) else _follow(values, self.read))

    def interval(self, values: Any) -> tuple[float, float]:
        """The ends of the 95 % interval, in the stored unit; NaN where the values have none."""
        if not self.low:
            return math.nan, math.nan
        return _number(_follow(values, self.low)), _number(_follow(values, self.high))


def predicted_peak(kernel: str, mode: str) -> Quantity:
    """The predicted peak of one step by attention kernel, read from the count of a layout."""
    attention = "attention by a flash-like kernel, O(N)" if kernel == "fused" else (
        "attention with its N x N matrix materialised"
    )  # fmt: skip
    step = "forward pass without gradients" if mode == "inference" else (
        "one training step, with gradients and optimizer state"
    )  # fmt: skip
    return Quantity(
        f"{mode}_peak_{kernel}",
        f"{mode.capitalize()} peak, {kernel}",
        "MiB",
        "Most bytes alive at once above the weights and the input, predicted by following every storage; "
        f"{attention}; {step}.",
        f"memory.{kernel}.{mode}_peak",
        column=f"{mode}_peak_{kernel}_bytes",
        scale=MEBI,
        stored="bytes",
        aliases=(f"{mode}_{kernel}",),
    )


def _follow(values: Any, path: str) -> Any:
    for name in path.split("."):
        if values is None:
            return None
        values = getattr(values, name, None)
    return values


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
