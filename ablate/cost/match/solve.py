"""Equal budgets: turn one dimension of a layout until its parameters, MACs or memory meet a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ablate.cost.match.axes import AXES, Axis, measures
from ablate.cost.match.dials import By, scaling
from ablate.cost.match.nearest import Search
from ablate.errors import AblateError, Problem
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.sizes import format_quantity

if TYPE_CHECKING:
    from ablate.study.study import Input, Match

_NAMES: dict[Axis, str] = {"params": "parameters", "macs": "MACs", "memory": "bytes of memory"}
_MOST_SPREAD = 1.25
_LISTS: dict[By, str] = {"width": "widths", "depth": "depths", "expansion": "mlp_ratio"}


@dataclass(frozen=True)
class Neighbour:
    """A size that a layout can have: the layout and what it costs on the axis that is matched."""

    layout: Layout
    value: int


class BudgetError(AblateError):
    """A budget that no size of a layout meets; `.below` and `.above` are the nearest that it can have, if
    any."""

    def __init__(self, message: str, below: Neighbour | None = None, above: Neighbour | None = None):
        super().__init__(message)
        self.below, self.above = below, above


@dataclass(frozen=True)
class Leftover:
    """One axis before and after; `relative` is after / before - 1."""

    before: int
    after: int

    @property
    def relative(self) -> float:
        return self.after / self.before - 1 if self.before else 0.0


@dataclass(frozen=True)
class MatchResult:
    """A layout at its budget: `error` is value / target - 1; `note` says why a layout was left as it was."""

    layout: Network
    before: Network
    axis: Axis
    target: float
    value: int
    by: By
    leftover: Mapping[Axis, Leftover] = field(default_factory=dict)
    note: str = ""

    @property
    def error(self) -> float:
        return self.value / self.target - 1

    @property
    def changes(self) -> dict[str, tuple[list[float], list[float]]]:
        """The settings of the stages that differ, as {name: (before, after)}."""
        if self.layout == self.before:
            return {}
        pairs = {name: (getattr(self.before, name), getattr(self.layout, name)) for name in _SETTINGS}
        return {name: (list(old), list(new)) for name, (old, new) in pairs.items() if old != new}

    def to_json(self) -> dict[str, Any]:
        """Plain data; sizes in parameters, MACs and bytes."""
        return {
            "layout": self.layout.name,
            "axis": self.axis,
            "target": self.target,
            "value": self.value,
            "error": self.error,
            "by": self.by,
            "changes": {name: {"before": old, "after": new} for name, (old, new) in self.changes.items()},
            "axes": {
                axis: {"before": change.before, "after": change.after, "relative": change.relative}
                for axis, change in self.leftover.items()
            },
            "note": self.note,
            "resolved": self.layout.to_yaml_dict(),
        }


_SETTINGS = ("widths", "depths", "heads", "mlp_ratio")


def match_layout(
    layout: Network,
    *,
    params: float | None = None,
    macs: float | None = None,
    memory: float | None = None,
    tolerance: float = 0.01,
    by: By = "width",
    resolution: int = 224,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
) -> MatchResult:
    """Meet one budget (parameters, MACs at the resolution, or bytes of memory for the batch) by one
    dimension.

    A layout that is within the tolerance already stays as it is, and so does a timm model, with a note.
    Otherwise the coarsest level of dials decides that reaches the tolerance with the stages' proportions
    kept to 25 %, and in it the smallest error. Where no level does, the proportions change as little as the
    tolerance allows. Raises `BudgetError` when the budget cannot be met, with the nearest sizes below and
    above.
    """
    given: dict[Axis, float] = {
        axis: value for axis, value in zip(AXES, (params, macs, memory), strict=True) if value is not None
    }
    if len(given) != 1:
        raise AblateError(f"match one budget of params, macs, memory; got {' and '.join(given) or 'none'}")
    ((axis, target),) = given.items()
    if target <= 0 or not 0 <= tolerance < 1:
        raise AblateError(
            f"a budget must be positive and its tolerance in [0, 1), got {target} and {tolerance}"
        )
    measure = measures(resolution, channels=channels, classes=classes, batch=batch)

    def result(chosen: Network, note: str = "") -> MatchResult:
        leftover = {name: Leftover(measure[name](layout), measure[name](chosen)) for name in AXES}
        return MatchResult(chosen, layout, axis, target, leftover[axis].after, by, leftover, note)

    if not isinstance(layout, Layout):
        return result(layout, "a timm model has one size: it stays as it is")
    if abs(measure[axis](layout) / target - 1) <= tolerance:
        return result(layout, "within the tolerance as it was")
    try:
        turns = scaling(layout, by)
    except AblateError as error:
        raise BudgetError(str(error)) from None
    search = Search(turns, measure[axis], target)
    for level in turns.levels:
        search.explore(level)
        best = search.best(tolerance, _MOST_SPREAD)
        if best is not None:
            return result(turns.turned(best, check=True))
    best = search.best(tolerance)
    if best is not None:
        return result(turns.turned(best, check=True))
    raise _out_of_reach(search, axis, target, tolerance)


def match_layouts(
    layouts: Mapping[str, Network], match: Match, input: Input
) -> tuple[dict[str, Network], list[MatchResult], list[Problem]]:
    """Match all layouts of a study; those that cannot be matched stay as they are, and each gives a
    problem."""
    matched: dict[str, Network] = {}
    results: list[MatchResult] = []
    problems: list[Problem] = []
    budget: dict[str, Any] = {match.quantity: match.target}
    for name, layout in layouts.items():
        try:
            result = match_layout(
                layout,
                **budget,
                tolerance=match.tolerance,
                by=match.by,
                resolution=input.resolution,
                channels=input.channels,
                classes=input.classes,
            )
        except AblateError as error:
            matched[name] = layout
            if isinstance(layout, Layout):  # a timm model that refuses the resolution has cells to say so
                problems.append(Problem(str(error)))
            continue
        matched[name] = result.layout
        results.append(result)
    return matched, results, problems


def _out_of_reach(search: Search, axis: Axis, target: float, tolerance: float) -> BudgetError:
    below = max((item for item in search.costs.items() if item[1] < target), key=lambda i: i[1], default=None)
    above = min((item for item in search.costs.items() if item[1] > target), key=lambda i: i[1], default=None)
    sides = [
        Neighbour(search.turns.turned(item[0]), item[1]) if item is not None else None
        for item in (below, above)
    ]
    name, by = search.turns.layout.name, search.turns.by
    near = [
        f"{format_quantity(side.value)} ({_relative(side.value / target)}) "
        f"with {_LISTS[by]} {_listed(side.layout, by)}"
        for side in sides
        if side is not None
    ]
    if sides[0] is None:
        near.append("nothing smaller")
    if sides[1] is None:
        near.append("nothing larger")
    message = (
        f"{name!r} cannot have {format_quantity(target)} {_NAMES[axis]} within {tolerance:.2%} by its {by}; "
        f"it can have {' or '.join(near)}"
    )
    return BudgetError(message, *sides)


def _listed(layout: Layout, by: By) -> str:
    return ", ".join(f"{value:.6g}" for value in getattr(layout, _LISTS[by]))


def _relative(ratio: float) -> str:
    return f"{ratio - 1:+.2%}" if 0.1 < ratio < 10 else f"{ratio:.3g} times"
