"""Means with their errors, differences, and what a number of seeds can resolve. Imports no torch.

Every interval here is a 95 % interval of Student's t: for the few repetitions of a study (3 to 12), intervals
from the normal distribution are too narrow by 10 to 120 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.student import CONFIDENCE, t_quantile

__all__ = [
    "CONFIDENCE",
    "Difference",
    "Summary",
    "paired_difference",
    "pooled_sd",
    "resolvable_difference",
    "resolved",
    "seeds_needed",
    "summarize",
    "t_quantile",
    "unpaired_difference",
]


@dataclass(frozen=True)
class Summary:
    """A mean and its interval, in the unit of the values. With one value there is no spread: all `None`."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """Half of the interval: the number after the plus-minus sign."""
        return None if self.low is None else self.mean - self.low


def summarize(values: Sequence[float]) -> Summary:
    """Mean, standard deviation (n - 1) and interval of the mean. `ValueError` for none or non-finite ones."""
    n = len(values)
    if n == 0 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"need finite values, got {list(values)}")
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(1, mean, None, None, None)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile(n - 1) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


@dataclass(frozen=True)
class Difference:
    """Mean of `a - b` with its interval, which is `None` where a side has one value only."""

    mean: float
    low: float | None
    high: float | None
    n: int
    paired: bool

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """Difference of two layouts over the seeds that both have: the interval of the mean of the differences.

    Seeds fix the order of the images and their augmentation, which are then the same for both, so that their
    part of the scatter cancels. Raises `ValueError` when no seed is common.
    """
    common = sorted(a.keys() & b.keys())
    if not common:
        raise ValueError("the two have no seed in common")
    outcome = summarize([a[seed] - b[seed] for seed in common])
    return Difference(outcome.mean, outcome.low, outcome.high, outcome.n, paired=True)


def unpaired_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Difference of two independent samples, with Welch's interval (the variances may differ)."""
    first, second = summarize(a), summarize(b)
    mean, n = first.mean - second.mean, min(first.n, second.n)
    if first.sd is None or second.sd is None:
        return Difference(mean, None, None, n, paired=False)
    parts = [first.sd**2 / first.n, second.sd**2 / second.n]
    variance = sum(parts)
    if variance == 0:
        return Difference(mean, mean, mean, n, paired=False)
    freedom = variance**2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    half = t_quantile(freedom) * math.sqrt(variance)
    return Difference(mean, mean - half, mean + half, n, paired=False)


def resolved(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    """Whether two layouts, each `{seed: value}`, differ at 95 %: paired where seeds allow.

    With fewer than two common seeds the two are independent samples; with fewer than two values on either
    side nothing is resolved.
    """
    if len(a.keys() & b.keys()) >= 2:
        return paired_difference(a, b).resolved
    return unpaired_difference(list(a.values()), list(b.values())).resolved


def resolvable_difference(sd: float, seeds: int) -> float | None:
    """The least difference of two layouts' means that `seeds` seeds each can resolve, in the unit of `sd`.

    The two-sample t-test at 95 % with equal variances: `t(2n - 2) * sd * sqrt(2 / n)`. `None` for one seed,
    which resolves nothing. A true difference of just this size is found in about half of all studies.
    """
    if seeds < 2:
        return None
    return t_quantile(2 * seeds - 2) * sd * math.sqrt(2 / seeds)


def seeds_needed(sd: float, difference: float, most: int = 1000) -> int | None:
    """The least number of seeds that resolves a difference, or `None` when even `most` do not."""
    for seeds in range(2, most + 1):
        least = resolvable_difference(sd, seeds)
        if least is not None and least <= difference:
            return seeds
    return None


def pooled_sd(groups: Sequence[Sequence[float]]) -> float | None:
    """One standard deviation for several groups, each about its own mean; `None` if none has two values."""
    freedom = sum(len(group) - 1 for group in groups if len(group) > 1)
    if freedom == 0:
        return None
    squares = math.fsum(
        (value - math.fsum(group) / len(group)) ** 2 for group in groups if len(group) > 1 for value in group
    )
    return math.sqrt(squares / freedom)
