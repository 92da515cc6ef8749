"""Changes made one at a time: leave-one-out, add-one, cumulative ladders, and where the first two disagree.

An effect is always that of *making* the change, whichever end it starts from: in `leave_one_out` the base
with the change less the base; in `add_one` the layout with all changes less the one that has all but this.
Values are `{seed: value}`, paired over the seeds that both sides have, and each family is corrected by
Holm.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ablate.statistics.compare import Comparison, compare, contrast, correct

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Step:
    """One rung of a ladder: the change made on top of all before it, and what has been gained since the
    base.
    """

    change: str
    after: tuple[str, ...]  # the changes made before: the step's effect holds in this order only
    effect: Comparison
    since_base: Comparison


def leave_one_out(
    base: Mapping[K, float],
    changed: Mapping[str, Mapping[K, float]],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> dict[str, Comparison]:
    """What each change does to the base alone, `{change: comparison}`."""
    return correct(
        {
            name: compare(sample, base, margin, lower_is_better=lower_is_better)
            for name, sample in changed.items()
        }
    )


def add_one(
    full: Mapping[K, float],
    without: Mapping[str, Mapping[K, float]],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> dict[str, Comparison]:
    """What each change does where all the others are made; `without` are the layouts with all but this
    change.
    """
    return correct(
        {
            name: compare(full, sample, margin, lower_is_better=lower_is_better)
            for name, sample in without.items()
        }
    )


def cumulative(
    base: Mapping[K, float],
    ladder: Sequence[tuple[str, Mapping[K, float]]],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> tuple[Step, ...]:
    """The ladder that papers print: each change on top of those before it, in the order given."""
    before, steps, totals = base, {}, {}
    for name, sample in ladder:
        steps[name] = compare(sample, before, margin, lower_is_better=lower_is_better)
        totals[name] = compare(sample, base, margin, lower_is_better=lower_is_better)
        before = sample
    steps, totals = correct(steps), correct(totals)
    names = [name for name, _ in ladder]
    return tuple(
        Step(name, tuple(names[:position]), steps[name], totals[name]) for position, name in enumerate(names)
    )


def disagreements(
    base: Mapping[K, float],
    changed: Mapping[str, Mapping[K, float]],
    full: Mapping[K, float],
    without: Mapping[str, Mapping[K, float]],
) -> dict[str, Comparison]:
    """How much more a change does alone than among all the others: `(changed - base) - (full - without)`.

    Where this is resolved, the change interacts with the others, and neither of its two effects is *the*
    effect. Only changes that both designs have; two-sided, corrected by Holm.
    """
    return correct(
        {
            name: contrast([(1.0, changed[name]), (-1.0, base), (-1.0, full), (1.0, without[name])])
            for name in changed
            if name in without
        }
    )
