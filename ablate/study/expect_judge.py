"""Does an expectation hold? From counted values, from paired ones, or from intervals alone.

- Counted values are compared as they are: *held* or *failed*, never unresolved.
- Values by seed (or by process) are paired over what both sides have, `left - right` with the 95 % interval
  of Student's t: *held* when the interval lies on the expected side of the margin, *failed* when it lies on
  the other, *not resolved* when it holds the margin. Times (unit `ms`) are compared by their ratio, on
  logarithms, unless the line names a margin, which is a difference.
- Where one side has an interval only, the two are taken to be independent, and the interval of the difference
  is made of both (MOVER; Zou & Donner, 2008).
- `=` within a margin: *held* when the 90 % interval lies inside (two one-sided tests at 5 %), *failed* when
  the
  95 % interval lies outside, *not resolved* else.

`>=` and `<=` differ from `>` and `<` for counted values only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from ablate.statistics.compare import compare_differences
from ablate.statistics.student import t_quantile
from ablate.study.expectation import Amount, Expectation, Side, Term

Status: TypeAlias = Literal["held", "failed", "not resolved"]


@dataclass(frozen=True)
class Interval:
    """A measured value of which only the 95 % interval is known."""

    value: float
    low: float
    high: float


Evidence: TypeAlias = float | Mapping[Hashable, float] | Interval
"""A counted value; values by seed or process; or an interval. A missing value is None."""


@dataclass(frozen=True)
class Judgement:
    """What became of an expectation. `gap` is `left - right` with its 95 % interval, in the line's unit, or
    their ratio where `ratio` says so; `pairs` is 0 where nothing was paired; `note` says why nothing is
    resolved.
    """

    status: Status
    gap: float
    low: float
    high: float
    ratio: bool
    pairs: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN and infinity become None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def judge(expectation: Expectation, evidence: Callable[[Term], Evidence | None]) -> Judgement:
    """Decide one expectation; `evidence` gives what is known of a term, its factor not applied."""
    sides: list[Evidence] = []
    for side in (expectation.left, expectation.right):
        known = _scaled(side, evidence)
        if known is None or (isinstance(known, Mapping) and not known):
            return _nothing(f"{side} is not measured")
        sides.append(known)
    left, right = sides
    if isinstance(left, float) and isinstance(right, float):
        return _counted(expectation, left, right)
    ratio = expectation.unit == "ms" and not expectation.margin
    if ratio and min(_least(left), _least(right)) <= 0:
        return _nothing("a time is not positive")
    if ratio:
        left, right = _logarithm(left), _logarithm(right)
    if isinstance(left, Interval) or isinstance(right, Interval):
        return _independent(expectation, _interval(left), _interval(right), ratio)
    return _paired(expectation, left, right, ratio)


def _counted(expectation: Expectation, left: float, right: float) -> Judgement:
    gap = left - right
    relation, margin = expectation.relation, expectation.margin
    held = {
        ">": gap > margin,
        ">=": gap >= margin,
        "<": gap < -margin,
        "<=": gap <= -margin,
        "=": abs(gap) <= margin,
    }[relation]
    return Judgement("held" if held else "failed", gap, gap, gap, False, 0)


def _paired(expectation: Expectation, left: Evidence, right: Evidence, ratio: bool) -> Judgement:
    samples = [side for side in (left, right) if isinstance(side, Mapping)]
    keys = [key for key in samples[0] if all(key in sample for sample in samples)]
    if not keys:
        return _nothing("the two sides have no seed in common")
    pairs = [(_at(left, key), _at(right, key)) for key in keys]
    size = max(max(abs(a), abs(b)) for a, b in pairs)
    margin = expectation.margin if expectation.relation == "=" else None
    outcome = compare_differences([a - b for a, b in pairs], margin, size=size)
    if math.isnan(outcome.low) and not outcome.equivalent:
        note = (
            "one pair only"
            if outcome.n == 1
            else "the pairs do not scatter, and are too few, or are not finite"
        )
        return _judgement("not resolved", outcome.mean, math.nan, math.nan, ratio, outcome.n, note)
    status = _status(expectation, outcome.low, outcome.high, inside=outcome.equivalent)
    return _judgement(status, outcome.mean, outcome.low, outcome.high, ratio, outcome.n)


def _independent(expectation: Expectation, left: Interval, right: Interval, ratio: bool) -> Judgement:
    gap = left.value - right.value
    down = math.hypot(left.value - left.low, right.high - right.value)
    up = math.hypot(left.high - left.value, right.value - right.low)
    if not all(map(math.isfinite, (gap, down, up))):
        return _nothing("no interval is known")
    # without degrees of freedom, the 90 % interval is taken to be as much narrower as the normal one is
    narrow = t_quantile(math.inf, 0.90) / t_quantile(math.inf, 0.95)
    inside = gap - narrow * down > -expectation.margin and gap + narrow * up < expectation.margin
    status = _status(expectation, gap - down, gap + up, inside=inside)
    return _judgement(status, gap, gap - down, gap + up, ratio, 0)


def _status(expectation: Expectation, low: float, high: float, *, inside: bool) -> Status:
    margin = expectation.margin
    if expectation.relation == "=":
        return "held" if inside else "failed" if low > margin or high < -margin else "not resolved"
    if expectation.relation in ("<", "<="):
        low, high = -high, -low
    return "held" if low > margin else "failed" if high < margin else "not resolved"


def _judgement(
    status: Status, gap: float, low: float, high: float, ratio: bool, pairs: int, note: str = ""
) -> Judgement:
    if ratio:
        gap, low, high = math.exp(gap), math.exp(low), math.exp(high)
    return Judgement(status, gap, low, high, ratio, pairs, note)


def _nothing(note: str) -> Judgement:
    return Judgement("not resolved", math.nan, math.nan, math.nan, False, 0, note)


def _scaled(side: Side, evidence: Callable[[Term], Evidence | None]) -> Evidence | None:
    if isinstance(side, Amount):
        return float(side.value)
    known = evidence(side)
    return None if known is None else _mapped(known, lambda value: side.factor * value)


def _logarithm(known: Evidence) -> Evidence:
    return _mapped(known, math.log)


def _mapped(known: Evidence, change: Callable[[float], float]) -> Evidence:
    if isinstance(known, Interval):
        return Interval(change(known.value), change(known.low), change(known.high))
    if isinstance(known, Mapping):
        return {key: change(value) for key, value in known.items()}
    return float(change(known))


def _least(known: Evidence) -> float:
    if isinstance(known, Interval):
        return known.low
    return min(known.values()) if isinstance(known, Mapping) else known


def _at(side: Evidence, key: Hashable) -> float:
    assert not isinstance(side, Interval)
    return side[key] if isinstance(side, Mapping) else side


def _interval(side: Evidence) -> Interval:
    """The side as an interval; of values, that of their mean."""
    if isinstance(side, Interval):
        return side
    if isinstance(side, Mapping):
        outcome = compare_differences(list(side.values()), size=max(map(abs, side.values())))
        return Interval(outcome.mean, outcome.low, outcome.high)
    return Interval(side, side, side)
