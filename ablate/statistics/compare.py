"""Is one layout better than another? Paired t tests, equivalence, and one word for the outcome.

Every difference is `a - b`, pair by pair: over seeds for accuracies, over processes for times (there as a
ratio, by logarithms). The same rule gives the word for all of them, the first that applies:

- *equivalent*: a margin is given, and two one-sided tests at 5 % put the difference inside it (Schuirmann,
  1987; the 90 % interval lies within the margin);
- *better*, *worse*: the two-sided paired t test at 5 %, corrected where the comparison belongs to a family,
  excludes that there is no difference;
- *not resolved*: anything else.

What lies inside the margin counts as equal by the study's own word, however surely it differs from zero.

Where the test is not defined, nothing is claimed:

- no pair in common: `n` is 0, all numbers are NaN, *not resolved*; one pair: its difference is the mean, the
  rest is NaN, *not resolved*;
- a value that is NaN or infinite makes every number NaN, *not resolved*: a seed that failed is left out of
  the mapping by whoever knows that it failed, never here in silence;
- all pairs differ by exactly the same amount: equal to the last digit are accuracies in steps of one image,
  not layouts without scatter, so Student's t does not apply. If the amount is 0, p is 1, the interval is 0 to
  0, and the two are equivalent within any margin. Otherwise p is that of the sign test, 2^(1 - n) (2^-n for
  each of the one-sided ones), the interval is the amount itself once p is at most 5 % (six pairs), and NaN
  before.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from ablate.statistics.multiple import holm
from ablate.statistics.student import ALPHA, t_above, t_quantile, t_two_sided

Verdict: TypeAlias = Literal["better", "worse", "equivalent", "not resolved"]
K = TypeVar("K", bound=Hashable)
_SAME = 1e-12  # scatter below this share of the values is rounding


@dataclass(frozen=True)
class Comparison:
    """The paired difference of two samples, in their unit, or their ratio, and what may be said of it.

    `low` and `high` bound the 95 % interval of this comparison alone; `p` is its two-sided p value, and
    `p_corrected` the one of its family (the same number without a family). `no_difference` is 0 for
    differences, 1 for ratios. `p_equivalent` is NaN without a margin.
    """

    n: int
    mean: float
    sd: float  # of the differences; of the log-ratios where this is a ratio
    low: float
    high: float
    p: float
    p_corrected: float
    margin: float | None = None
    p_equivalent: float = math.nan
    lower_is_better: bool = False
    no_difference: float = 0.0

    @property
    def resolved(self) -> bool:
        """Whether a difference is certain at 5 %, after correction."""
        return self.p_corrected <= ALPHA  # False for NaN

    @property
    def equivalent(self) -> bool:
        """Whether the difference certainly lies within the margin."""
        return self.p_equivalent <= ALPHA

    @property
    def verdict(self) -> Verdict:
        """What may be said of the first sample: one word, by the rule at the head of this file."""
        if self.equivalent:
            return "equivalent"
        if not self.resolved:
            return "not resolved"
        return "better" if (self.mean > self.no_difference) != self.lower_is_better else "worse"

    def to_json(self) -> dict[str, Any]:
        """Plain data with the verdict; NaN becomes None."""
        plain = {key: _plain(value) for key, value in asdict(self).items()}
        return plain | {"verdict": self.verdict}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        """The comparison that `to_json` wrote."""
        numbers = {"mean", "sd", "low", "high", "p", "p_corrected", "p_equivalent"}
        kept: dict[str, Any] = {key: value for key, value in data.items() if key != "verdict"}
        lost = {key: math.nan for key in numbers if kept.get(key) is None}
        return cls(**{**kept, **lost})


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided paired t tests: `p` is the larger of the two, `low` and `high` the 90 % interval."""

    n: int
    mean: float
    low: float
    high: float
    margin: float
    p: float

    @property
    def equivalent(self) -> bool:
        """Whether the difference lies within the margin, at 5 %."""
        return self.p <= ALPHA


def compare(
    a: Mapping[K, float],
    b: Mapping[K, float],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> Comparison:
    """Compare two samples, each `{seed: value}`, over the seeds that both have; differences are `a - b`.

    `better` says that `a` is the better one: the higher, or with `lower_is_better` the lower. `margin` is
    the largest difference, in the unit of the values, that counts as none. Raises `ValueError` for a margin
    that is not positive and finite.
    """
    return contrast([(1.0, a), (-1.0, b)], margin, lower_is_better=lower_is_better)


def compare_ratios(
    a: Mapping[K, float],
    b: Mapping[K, float],
    margin: float | None = None,
    *,
    lower_is_better: bool = True,
) -> Comparison:
    """Compare two samples of positive values, such as `{process: milliseconds}`, by their ratios `a / b`.

    The paired t test is on the log-ratios; `mean` (the geometric one), `low` and `high` are ratios. A
    `margin` of 0.05 takes ratios from 1/1.05 to 1.05 for equal. By default the lower one is better, as with
    times. Raises `ValueError` for values that are not positive, and for a bad margin.
    """
    for value in (*a.values(), *b.values()):
        if value <= 0:
            raise ValueError(f"ratios need positive values, got {value}")
    logs = [{key: math.log(value) for key, value in sample.items()} for sample in (a, b)]
    bound = None if margin is None else math.log1p(_positive(margin))
    outcome = contrast([(1.0, logs[0]), (-1.0, logs[1])], bound, lower_is_better=lower_is_better)
    mean, low, high = (_exp(log) for log in (outcome.mean, outcome.low, outcome.high))
    return replace(outcome, mean=mean, low=low, high=high, margin=margin, no_difference=1.0)


def contrast(
    terms: Sequence[tuple[float, Mapping[K, float]]],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
) -> Comparison:
    """The weighted sum of several samples, pair by pair, tested against 0: `[(1, a), (-1, b)]` is `compare`.

    With weights 1, -1, -1, 1 it is an interaction. Raises `ValueError` without terms or for a bad margin.
    """
    if not terms:
        raise ValueError("a contrast needs at least one sample")
    if margin is not None:
        _positive(margin)
    common = [key for key in terms[0][1] if all(key in sample for _, sample in terms)]
    weighted = [[weight * sample[key] for weight, sample in terms] for key in common]
    sums = [math.fsum(values) if all(map(math.isfinite, values)) else math.nan for values in weighted]
    size = max((abs(value) for values in weighted for value in values), default=0.0)
    return compare_differences(sums, margin, lower_is_better=lower_is_better, size=size)


def compare_differences(
    differences: Sequence[float],
    margin: float | None = None,
    *,
    lower_is_better: bool = False,
    size: float = 0.0,
) -> Comparison:
    """The comparison that independent differences give; `size` is how large the values were they are taken
    of.
    """
    n = len(differences)
    outcome = Comparison(n, *(math.nan,) * 6, margin=margin, lower_is_better=lower_is_better)
    if n == 0 or not all(map(math.isfinite, differences)):
        return outcome
    mean = math.fsum(differences) / n
    if n == 1:
        return replace(outcome, mean=mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (n - 1))
    if sd <= _SAME * max(size, *map(abs, differences)):
        return _without_scatter(outcome, 0.0 if abs(mean) <= _SAME * size else mean)
    error = sd / math.sqrt(n)
    half, p = t_quantile(n - 1) * error, t_two_sided(mean / error, n - 1)
    equal = math.nan if margin is None else t_above((margin - abs(mean)) / error, n - 1)
    return replace(
        outcome, mean=mean, sd=sd, low=mean - half, high=mean + half, p=p, p_corrected=p, p_equivalent=equal
    )


def equivalence(a: Mapping[K, float], b: Mapping[K, float], margin: float) -> Equivalence:
    """Whether two samples differ by less than `margin`, by two one-sided paired t tests at 5 %.

    Undefined cases are those of `compare`: p and the interval are then NaN, and `equivalent` is false. Raises
    `ValueError` for a margin that is not positive and finite.
    """
    outcome = compare(a, b, margin)
    narrow = (
        t_quantile(outcome.n - 1, 1 - 2 * ALPHA) / t_quantile(outcome.n - 1) if outcome.n > 1 else math.nan
    )
    half = (outcome.high - outcome.low) / 2 * narrow
    return Equivalence(
        outcome.n, outcome.mean, outcome.mean - half, outcome.mean + half, margin, outcome.p_equivalent
    )


def correct(family: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """The comparisons of one table with the p values that Holm's correction gives them together.

    Better and worse then hold with 5 % error in the whole family. Equivalence is not corrected: it is each
    pair's own claim, within a margin that the study declared.
    """
    corrected = holm([comparison.p for comparison in family.values()])
    return {
        name: replace(comparison, p_corrected=p)
        for (name, comparison), p in zip(family.items(), corrected, strict=True)
    }


def _without_scatter(outcome: Comparison, amount: float) -> Comparison:
    """All differences are the same amount: the sign test's p, and no claim before six pairs."""
    p = 1.0 if amount == 0 else 2.0 ** (1 - outcome.n)
    certain = amount == 0 or p <= ALPHA
    ends = amount if certain else math.nan
    equal = math.nan
    if outcome.margin is not None:
        equal = 0.0 if amount == 0 else 2.0**-outcome.n if abs(amount) < outcome.margin else 1.0
    return replace(outcome, mean=amount, sd=0.0, low=ends, high=ends, p=p, p_corrected=p, p_equivalent=equal)


def _positive(margin: float) -> float:
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"a margin is a positive number, got {margin}")
    return margin


def _exp(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)  # NaN stays NaN


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
