"""Where the spread of an accuracy comes from: initial weights, data order, augmentation, the split.

The design holds all seeds but one fixed: each component has runs in which it alone varies, in one or several
groups (the other seeds held at another value in each), beside runs in which everything varies. The variance
of a component is the pooled variance within its groups. It holds the component's own part and its
interactions with what is held fixed, so that the shares need not add up to one: less than one is left for
components that were not varied, more than one means interactions or chance, and the intervals say which of
these the runs can tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.special import chdtri, fdtri

from ablate.statistics.student import CONFIDENCE

EVERYTHING = "everything"


@dataclass(frozen=True)
class Component:
    """One source of spread: its standard deviation in the unit of the values, and its share of the variance.

    `low`, `high`: 95 % interval of the standard deviation (chi-squared, for normal values); `share_low`,
    `share_high`: of the share (F distribution). NaN without a degree of freedom.
    """

    name: str
    runs: int
    freedom: int
    sd: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN and infinity become None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class VarianceRun:
    """One run of the design: the component that varies alone (or `everything`), its group, and all seeds."""

    varies: str
    group: int
    seeds: Mapping[str, int]


def variance_runs(components: Sequence[str], runs: int, groups: int = 1) -> tuple[VarianceRun, ...]:
    """The runs that the components need: `runs` in which everything varies, and `runs` in each group of each
    component, in which only its seed varies.

    Seeds are chosen so that some runs serve twice: the first run of a component's group is the run of
    `everything` with the group's number. Raises `ValueError` for fewer than two runs or no group.
    """
    if runs < 2 or groups < 1:
        raise ValueError(f"need two runs and one group at least, got {runs} and {groups}")
    out = [VarianceRun(EVERYTHING, 0, dict.fromkeys(components, i)) for i in range(runs)]
    for name in components:
        for group in range(groups):
            for i in range(runs):
                # the varied seed starts at the group's own value, and goes on where no group has been
                own = group if i == 0 else runs + groups + group * runs + i
                seeds = {**dict.fromkeys(components, group), name: own}
                out.append(VarianceRun(name, group, seeds))
    return tuple(out)


def variance_components(
    everything: Sequence[float], alone: Mapping[str, Sequence[Sequence[float]]]
) -> tuple[Component, ...]:
    """The components in the order of `alone`, and `everything` last.

    `everything`: values of runs in which all seeds vary. `alone`: for each component, groups of values in
    which only it varies. Raises `ValueError` for a value that is not finite.
    """
    total, freedom, runs = _pooled([everything])
    out = [
        _component(name, *_pooled(groups), total=total, total_freedom=freedom)
        for name, groups in alone.items()
    ]
    low, high = _interval(total, freedom)
    nothing = math.nan
    return (
        *out,
        Component(EVERYTHING, runs, freedom, math.sqrt(total), low, high, 1.0, nothing, nothing),
    )


def _component(
    name: str, variance: float, freedom: int, runs: int, *, total: float, total_freedom: int
) -> Component:
    low, high = _interval(variance, freedom)
    share = share_low = share_high = math.nan
    if freedom and total_freedom and total > 0:
        share = variance / total
        upper = float(fdtri(freedom, total_freedom, (1 + CONFIDENCE) / 2))
        lower = float(fdtri(freedom, total_freedom, (1 - CONFIDENCE) / 2))
        share_low, share_high = share / upper, share / lower
    return Component(name, runs, freedom, math.sqrt(variance), low, high, share, share_low, share_high)


def _pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int, int]:
    """Variance within groups, its degrees of freedom, and the number of values."""
    squares, freedom, runs = 0.0, 0, 0
    for group in groups:
        if not all(map(math.isfinite, group)):
            raise ValueError(f"need finite values, got {list(group)}")
        runs += len(group)
        if len(group) > 1:
            mean = math.fsum(group) / len(group)
            squares += math.fsum((value - mean) ** 2 for value in group)
            freedom += len(group) - 1
    return (squares / freedom if freedom else math.nan), freedom, runs


def _interval(variance: float, freedom: int) -> tuple[float, float]:
    """Ends of the standard deviation's interval."""
    if not freedom:
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = float(chdtri(freedom, tail)), float(chdtri(freedom, 1 - tail))
    return math.sqrt(variance * freedom / low), math.sqrt(variance * freedom / high)
