"""Adding seeds until a comparison is decided, with the looks paid for: alpha spending.

Looking at the data after every few seeds and stopping at p < 5 % is wrong far more often than in 5 % of
studies. Here the error is *spent* over the looks, after Lan & DeMets (1983) by their function of
O'Brien-Fleming's kind: of the two-sided level alpha, the part

    spent(t) = 4 (1 - Phi(z / sqrt(t))),   z the upper alpha / 4 quantile of the normal distribution,

may be used up to the look at a share t = n / most of the seeds. The look at n pairs is an ordinary paired t
test at the part that has become free since the look before. The parts add up to alpha, so that by
Bonferroni's inequality the whole sequence errs in at most alpha of all studies, exactly, at any number of
seeds and for any choice of looks that was made before the values were seen. (The usual boundaries use the
looks' correlation and a normal approximation; they gain a little power and lose the guarantee at five
seeds.)

`adjusted` p values are the level at which the comparison would have been decided up to now, so they may be
corrected by Holm like others.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from scipy.special import ndtr, ndtri

from ablate.statistics.compare import Comparison, compare, correct
from ablate.statistics.student import ALPHA, t_quantile

K = TypeVar("K", bound=Hashable)
_CEILING = 0.5  # adjusted p values above it are 1: the spending function loses its order there


def spent(share: float, alpha: float = ALPHA) -> float:
    """The part of a two-sided `alpha` that may be used up to a share of the seeds, 0 to 1."""
    if share <= 0:
        return 0.0
    return 4 * float(ndtr(ndtri(alpha / 4) / math.sqrt(min(share, 1.0))))


@dataclass(frozen=True)
class Looks:
    """After how many seeds a study looks at its comparisons, in rising order; the last is the most it takes.

    The default of `plan` is `least`, then about half as many again each time: many looks in a row cost power
    and tell little.
    """

    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.seeds or self.seeds[0] < 2 or list(self.seeds) != sorted(set(self.seeds)):
            raise ValueError(f"looks are rising numbers of seeds from 2 on, got {list(self.seeds)}")

    @classmethod
    def plan(cls, least: int, most: int) -> Looks:
        """Looks from `least` to `most` seeds. Raises `ValueError` when there is no room for one."""
        if not 2 <= least <= most:
            raise ValueError(f"need 2 seeds at least and no fewer at most, got {least} to {most}")
        counts = [least]
        while counts[-1] < most:
            step = max(counts[-1] + 1, math.ceil(1.5 * counts[-1]))
            counts.append(most if step > 0.85 * most else step)
        return cls(tuple(counts))

    @property
    def most(self) -> int:
        """The largest number of seeds."""
        return self.seeds[-1]

    def level(self, look: int, alpha: float = ALPHA) -> float:
        """The two-sided level of the t test at a look, counted from 0."""
        before = self.seeds[look - 1] if look else 0
        return spent(self.seeds[look] / self.most, alpha) - spent(before / self.most, alpha)

    def adjusted(self, look: int, p: float) -> float:
        """The alpha at which a test with this p at this look would just decide; NaN stays NaN."""
        if math.isnan(p):
            return p
        if self.level(look, _CEILING) < p:
            return 1.0
        low, high = 0.0, _CEILING
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.level(look, middle) < p else (low, middle)
        return high


def sequential_compare(
    a: Mapping[K, float],
    b: Mapping[K, float],
    order: Sequence[K],
    looks: Looks,
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> Comparison:
    """The comparison after the looks made so far, each at its part of the level.

    `order` are the seeds in the order they were run; a look at n is made when its first n seeds are. The p
    values, for a difference and for equivalence (whose one-sided tests spend their own 5 %), are adjusted
    ones and the least over the looks, so that a decision once taken stays; mean and spread are those of the
    last look, and the interval is the repeated one, of the last look's level. Before the first look nothing
    is known: all NaN.
    """
    outcome = compare({}, {}, margin, lower_is_better=lower_is_better)
    least, least_equal = math.nan, math.nan
    for look, count in enumerate(looks.seeds):
        if len(order) < count:
            break
        upto = order[:count]
        now = compare(_only(a, upto), _only(b, upto), margin, lower_is_better=lower_is_better)
        least = _smaller(least, looks.adjusted(look, now.p))
        least_equal = _smaller(least_equal, looks.adjusted(look, now.p_equivalent))
        half = math.nan if math.isnan(now.low) else _half(now, looks.level(look))
        outcome = replace(now, low=now.mean - half, high=now.mean + half)
    return replace(outcome, p=least, p_corrected=least, p_equivalent=least_equal)


def undecided(family: Mapping[str, Comparison]) -> tuple[str, ...]:
    """The comparisons of a family, corrected by Holm, that still are neither better, worse nor equivalent."""
    return tuple(name for name, outcome in correct(family).items() if outcome.verdict == "not resolved")


def _half(outcome: Comparison, level: float) -> float:
    return t_quantile(outcome.n - 1, 1 - level) * outcome.sd / math.sqrt(outcome.n)


def _only(sample: Mapping[K, float], seeds: Sequence[K]) -> dict[K, float]:
    return {seed: sample[seed] for seed in seeds if seed in sample}


def _smaller(a: float, b: float) -> float:
    return b if math.isnan(a) else a if math.isnan(b) else min(a, b)
