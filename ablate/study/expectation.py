"""An expectation as data: two sides, a relation, a margin, all in one unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Relation: TypeAlias = Literal[">", "<", ">=", "<=", "="]
Unit: TypeAlias = Literal["percent", "ms", "bytes", "count", "number"]
"""The unit that a quantity's values are stored in; `number` is one without a unit of its own."""

_DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
UNITS: Mapping[Unit, Mapping[str, float]] = {
    "percent": {"%": 1.0, "points": 1.0, "point": 1.0},
    "ms": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "bytes": {"B": 1.0}
    | {f"{prefix}B": scale for prefix, scale in _DECIMAL.items()}
    | {f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMGT", start=1)},
    "count": _DECIMAL,
    "number": {},
}
"""What may stand behind an amount, and how many of the stored unit it is."""


@dataclass(frozen=True)
class Term:
    """`factor` times a quantity of a layout, at a resolution in pixels or at the study's own (None), on a
    data set or task where the study has several."""

    quantity: str
    layout: str
    resolution: int | None = None
    factor: float = 1.0
    dataset: str | None = None

    def is_on(self, dataset: str) -> bool:
        """Whether a data set is the one that is meant: as it is written, or by its name without arguments."""
        return self.dataset in (None, dataset, re.split(r"[(:]", dataset, maxsplit=1)[0])

    def __str__(self) -> str:
        name = self.layout if re.fullmatch(r"[^\s<>=*'\"]\S*", self.layout) else f"'{self.layout}'"
        factor = "" if self.factor == 1 else f"{self.factor!r} * "
        dataset = "" if self.dataset is None else f" on '{self.dataset}'"
        resolution = "" if self.resolution is None else f" at {self.resolution}"
        return f"{factor}{self.quantity} of {name}{dataset}{resolution}"


@dataclass(frozen=True)
class Amount:
    """A number in the stored unit of the quantity it is compared to."""

    value: float

    def __str__(self) -> str:
        return repr(self.value)


Side: TypeAlias = Term | Amount


@dataclass(frozen=True)
class Expectation:
    """One parsed line: `left relation right`, apart by more than `margin`, or for `=` by less.

    `unit` is that of both sides and of the margin.
    """

    left: Side
    relation: Relation
    right: Side
    margin: float
    unit: Unit
    text: str = field(default="", compare=False)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The quantities that the line speaks of: what must be measured."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, Term))

    def __str__(self) -> str:
        """The line in one spelling, which parses to the same."""
        word = "within" if self.relation == "=" else "by"
        margin = f" {word} {self.margin!r}" if self.margin or self.relation == "=" else ""
        return f"{self.left} {self.relation} {self.right}{margin}"
