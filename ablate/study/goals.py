"""What a search optimises and what it must keep to: `minimize macs`, `params <= 3.4M`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ablate.errors import did_you_mean
from ablate.layout.sizes import NUMBER, parse_quantity

Metric: TypeAlias = Literal["params", "macs", "flops", "memory", "latency", "accuracy"]
METRICS: tuple[Metric, ...] = get_args(Metric)
COUNTED: frozenset[str] = frozenset({"params", "macs", "flops", "memory"})  # known before anything is trained

Direction: TypeAlias = Literal["minimize", "maximize"]
Comparison: TypeAlias = Literal["<=", ">="]


@dataclass(frozen=True)
class Objective:
    """A metric and where it should go."""

    direction: Direction
    metric: Metric

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric; parameters, MACs and FLOPs as numbers, memory in bytes, latency in ms, accuracy in
    percent."""

    metric: Metric
    op: Comparison
    value: float
    text: str

    def violation(self, value: float) -> float:
        """How far a value is beyond the bound, relative to the bound; 0 or less is within."""
        excess = value - self.value if self.op == "<=" else self.value - value
        return excess / abs(self.value) if self.value else excess

    def __str__(self) -> str:
        return self.text


def parse_objective(text: Any) -> Objective:
    """`minimize macs` or `maximize accuracy`. Raises `ValueError`."""
    if isinstance(text, Objective):
        return text
    words = text.split() if isinstance(text, str) else []
    if len(words) != 2:
        raise ValueError(f"expected an objective such as 'minimize macs', got {text!r}")
    directions = get_args(Direction)
    if words[0] not in directions:
        raise ValueError(f"unknown direction {words[0]!r}{did_you_mean(words[0], directions)}")
    return Objective(words[0], _metric(words[1]))  # type: ignore[arg-type]


def parse_constraint(text: Any) -> Constraint:
    """`params <= 3.4M`, `memory <= 512MiB`, `latency <= 5ms`, `accuracy >= 70%`. Raises `ValueError`."""
    if isinstance(text, Constraint):
        return text
    match = re.fullmatch(r"\s*(\w+)\s*([<>=]+)\s*(\S.*?)\s*", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a constraint such as 'params <= 3.4M', got {text!r}")
    word, op, bound = match.groups()
    metric = _metric(word)
    if op not in get_args(Comparison):
        raise ValueError(f"unknown comparison {op!r}; use <= or >=")
    number = bound
    if metric == "accuracy":
        number = bound.removesuffix("%").strip()
    elif metric == "latency":
        number = bound.removesuffix("ms").strip()
        if not re.fullmatch(NUMBER, number):
            raise ValueError(f"expected milliseconds such as 5ms, got {bound!r}")
    elif bound.endswith("%"):
        raise ValueError(f"{metric} is not a percentage, got {bound!r}")
    value = float(parse_quantity(number, memory=metric == "memory"))
    return Constraint(metric, op, value, " ".join(text.split()))  # type: ignore[arg-type]


def _metric(word: str) -> Metric:
    for metric in METRICS:
        if word == metric:
            return metric
    raise ValueError(f"unknown metric {word!r}{did_you_mean(word, METRICS)}")
