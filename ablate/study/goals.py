"""What a search optimises and what it must keep to: `minimize macs`, `params <= 3.4M`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ablate.errors import did_you_mean
from ablate.layout.sizes import NUMBER, parse_quantity
from ablate.measurements.register import measurement, quantities
from ablate.quantities import Quantity

Direction: TypeAlias = Literal["minimize", "maximize"]
Comparison: TypeAlias = Literal["<=", ">="]


@dataclass(frozen=True)
class Objective:
    """A quantity, by its name, and where it should go."""

    direction: Direction
    metric: str

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


@dataclass(frozen=True)
class Constraint:
    """A bound on a quantity, in its stored unit: bytes, milliseconds, percent, plain numbers."""

    metric: str
    op: Comparison
    value: float
    text: str

    def violation(self, value: float) -> float:
        """How far a value is beyond the bound, relative to the bound; 0 or less is within."""
        excess = value - self.value if self.op == "<=" else self.value - value
        return excess / abs(self.value) if self.value else excess

    def __str__(self) -> str:
        return self.text


def is_counted(quantity: Quantity) -> bool:
    """Whether a quantity is exact and known before anything is trained or timed."""
    return measurement(quantity.kind).where == "counted"


def parse_objective(text: Any) -> Objective:
    """`minimize macs` or `maximize accuracy`. Raises `ValueError`."""
    if isinstance(text, Objective):
        return text
    words = text.split() if isinstance(text, str) else []
    if len(words) != 2:
        raise ValueError(f"expected an objective such as 'minimize macs', got {text!r}")
    directions: tuple[Direction, ...] = get_args(Direction)
    for direction in directions:
        if words[0] == direction:
            return Objective(direction, named_quantity(words[1]).name)
    raise ValueError(f"unknown direction {words[0]!r}{did_you_mean(words[0], directions)}")


def parse_constraint(text: Any) -> Constraint:
    """`params <= 3.4M`, `memory <= 512MiB`, `latency <= 5ms`, `accuracy >= 70%`. Raises `ValueError`."""
    if isinstance(text, Constraint):
        return text
    match = re.fullmatch(r"\s*(\w+)\s*([<>=]+)\s*(\S.*?)\s*", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a constraint such as 'params <= 3.4M', got {text!r}")
    word, sign, bound = match.groups()
    quantity = named_quantity(word)
    signs: tuple[Comparison, ...] = get_args(Comparison)
    for op in signs:
        if sign == op:
            return Constraint(quantity.name, op, parse_bound(quantity, bound), " ".join(text.split()))
    raise ValueError(f"unknown comparison {sign!r}; use <= or >=")


def parse_bound(quantity: Quantity, text: str) -> float:
    """A number in a quantity's stored unit: `3.4M`, `512MiB`, `5ms`, `70%`. Raises `ValueError`."""
    number = text.strip()
    if quantity.stored == "%":
        number = number.removesuffix("%").strip()
    elif quantity.stored == "ms":
        number = number.removesuffix("ms").strip()
        if not re.fullmatch(NUMBER, number):
            raise ValueError(f"expected milliseconds such as 5ms, got {text!r}")
    elif number.endswith("%"):
        raise ValueError(f"{quantity.name} is not a percentage, got {text!r}")
    return float(parse_quantity(number, memory=quantity.stored == "bytes"))


def named_quantity(word: str) -> Quantity:
    """The quantity of this name or alias. Raises `ValueError` that names the nearest one."""
    known = list(quantities())
    for quantity in known:
        if word == quantity.name or word in quantity.aliases:
            return quantity
    raise ValueError(f"unknown metric {word!r}{did_you_mean(word, [quantity.name for quantity in known])}")
