"""The sizes of a layout nearest to a budget.

The search is exact. For a common factor f every stage's number (its width, its depth, the hidden width of
its FFNs) may be one of the nearest legal values around f times what it was; these are the candidates, for
every f. A bisection finds the factor at which the cost passes the target, and all candidates around it are
counted, as far as one on either side is certain to be the nearest. Costs grow with every such number, which
is what the bisection relies on; only heads that follow from the width (`linear` has 2NCd
multiply-accumulates) bend that rule, by less than a step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from ablate.cost.match.dials import Dial, Dials, Scaling
from ablate.layout.layout import Layout


class Search:
    """The candidates that were counted so far: `costs` maps the dials' values to the cost."""

    def __init__(self, turns: Scaling, measure: Callable[[Layout], int], target: float):
        # stochastic depth costs nothing here, and parts that differ in it alone are counted once
        self.turns = replace(turns, layout=turns.layout.replace(drop_path=0.0, check=False))
        self.measure, self.target = measure, target
        self.costs: dict[tuple[int, ...], int] = {}

    def value(self, values: tuple[int, ...]) -> int:
        if values not in self.costs:
            self.costs[values] = self.measure(self.turns.turned(values))
        return self.costs[values]

    def best(self, tolerance: float, most_spread: float = math.inf) -> tuple[int, ...] | None:
        """The values to take among those within the tolerance, or None.

        With `most_spread` the nearest to the target of those whose proportions changed by that factor at
        most; without, the one whose proportions changed least.
        """
        within = [v for v, cost in self.costs.items() if abs(cost / self.target - 1) <= tolerance]
        kept = [values for values in within if self.spread(values) <= most_spread]

        def badness(values: tuple[int, ...]) -> tuple[float, float]:
            return self.spread(values) if most_spread == math.inf else 0, abs(
                self.costs[values] - self.target
            )

        return min(kept, key=badness, default=None)

    def spread(self, values: tuple[int, ...]) -> float:
        """By which factor the stages' proportions differ from those of the layout."""
        dials = self.turns.levels[0].dials
        scales = [value / dial.start for value, dial in zip(values, dials, strict=True)]
        return max(scales) / min(scales)

    def explore(self, level: Dials) -> None:
        """Count every candidate around the factor at which the cost passes the target."""
        start = self._crossing(level)
        gap: _Gap | None = start
        while gap is not None and self.value(self._count(level, gap)[0]) <= self.target:
            gap = gap.higher(level)
        gap = start.lower(level)
        while gap is not None and self.value(self._count(level, gap)[1]) >= self.target:
            gap = gap.lower(level)

    def _count(self, level: Dials, gap: _Gap) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Count the candidates of one gap; returns the least and the greatest."""
        choices = [around(dial, gap.middle * dial.start, level.reach) for dial in level.dials]
        for values in itertools.product(*choices):
            self.value(values)
        return tuple(map(min, choices)), tuple(map(max, choices))

    def _crossing(self, level: Dials) -> _Gap:
        def least(factor: Fraction) -> tuple[int, ...]:
            return tuple(around(dial, factor * dial.start, 1)[0] for dial in level.dials)

        low = high = Fraction(1)
        while self.value(least(high)) < self.target and least(2 * high) != least(high):
            high *= 2
        while self.value(least(low)) > self.target and least(low / 2) != least(low):
            low /= 2
        step = Fraction(1, 2 * max(dial.start for dial in level.dials))
        while high - low > step:
            middle = (low + high) / 2
            low, high = (middle, high) if self.value(least(middle)) < self.target else (low, middle)
        return _Gap.at(level, high)


@dataclass(frozen=True)
class _Gap:
    """Factors between two neighbouring ones at which some dial is at a legal value: all have the same
    candidates."""

    low: Fraction
    high: Fraction

    @property
    def middle(self) -> Fraction:
        return (self.low + self.high) / 2

    @staticmethod
    def at(level: Dials, factor: Fraction) -> _Gap:
        """The gap that begins at or before a factor, which is below the greatest one."""
        high = _edge_above(level, factor)
        if high is None:
            high = _edge_below(level, factor + 1)
        return _Gap(_edge_below(level, high), high)

    def higher(self, level: Dials) -> _Gap | None:
        high = _edge_above(level, self.high)
        return None if high is None else _Gap(self.high, high)

    def lower(self, level: Dials) -> _Gap | None:
        return _Gap(_edge_below(level, self.low), self.low) if self.low > 0 else None


def _edge_above(level: Dials, factor: Fraction) -> Fraction | None:
    edges = [(dial.above(math.floor(factor * dial.start) + 1), dial.start) for dial in level.dials]
    return min((Fraction(number, start) for number, start in edges if number is not None), default=None)


def _edge_below(level: Dials, factor: Fraction) -> Fraction:
    edges = [(dial.below(math.ceil(factor * dial.start) - 1), dial.start) for dial in level.dials]
    return max(
        (Fraction(number, start) for number, start in edges if number is not None), default=Fraction(0)
    )


def around(dial: Dial, value: Fraction, reach: int) -> list[int]:
    """The `reach` legal values at or below a number, and the `reach` at or above it."""
    numbers: list[int] = []
    down, up = dial.below(value), dial.above(value)
    for _ in range(reach):
        numbers += [number for number in (down, up) if number is not None]
        down = dial.below(down - 1) if down is not None else None
        up = dial.above(up + 1) if up is not None else None
    return sorted(set(numbers))
