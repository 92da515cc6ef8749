import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.seeds import (
    Difference,
    paired_difference,
    pooled_sd,
    resolvable_difference,
    resolved,
    seeds_needed,
    summarize,
    t_quantile,
    unpaired_difference,
)


def sample(number: int, seed: int = 0, mean: float = 90.0, sd: float = 0.2) -> list[float]:
    return np.random.default_rng(seed).normal(mean, sd, number).tolist()


def test_no_torch_is_imported():
    code = "import sys, ablate.statistics.seeds, ablate.runners.latency; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("freedom", [1, 2, 4, 8, 2.7])
def test_quantile_is_scipys(freedom: float):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)


@pytest.mark.parametrize("number", [2, 3, 12])
def test_interval_is_scipys(number: int):
    values = sample(number)
    outcome = summarize(values)
    low, high = stats.t.interval(0.95, number - 1, np.mean(values), stats.sem(values))
    assert (outcome.mean, outcome.low, outcome.high) == pytest.approx((np.mean(values), low, high), rel=1e-12)
    assert outcome.sd == pytest.approx(np.std(values, ddof=1))
    assert outcome.half_width == pytest.approx((high - low) / 2)


def test_one_value_has_no_error():
    outcome = summarize([7.0])
    assert (outcome.mean, outcome.sd, outcome.low, outcome.high, outcome.half_width) == (
        7.0,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_nothing_is_not_summarised(values: list[float]):
    with pytest.raises(ValueError, match="finite"):
        summarize(values)


def test_intervals_hold_the_mean_in_95_of_100_cases():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(4000):
        outcome = summarize(random.normal(3.0, 2.0, 3).tolist())
        assert outcome.low is not None
        assert outcome.high is not None
        hits += outcome.low <= 3.0 <= outcome.high
    assert 0.94 < hits / 4000 < 0.96


def test_paired_difference_is_scipys_and_uses_common_seeds_only():
    a, b = sample(5, 1), sample(5, 2)
    first, second = dict(enumerate(a)), dict(enumerate(b))
    outcome = paired_difference({**first, 77: 0.0}, {**second, 78: 50.0})
    interval = stats.ttest_rel(a, b).confidence_interval()
    assert (outcome.low, outcome.high) == pytest.approx((interval.low, interval.high))
    assert outcome.n == 5
    with pytest.raises(ValueError, match="common"):
        paired_difference({1: 1.0}, {2: 1.0})


def test_unpaired_difference_is_welchs():
    a, b = sample(4, 1), sample(9, 2, sd=1.0)
    outcome = unpaired_difference(a, b)
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (outcome.low, outcome.high) == pytest.approx((interval.low, interval.high))


def test_resolved_means_that_zero_is_excluded():
    assert Difference(1.0, 0.1, 1.9, 3, True).resolved
    assert Difference(-1.0, -1.9, -0.1, 3, True).resolved
    assert not Difference(1.0, -0.1, 2.1, 3, True).resolved
    assert not Difference(1.0, None, None, 1, True).resolved
    shared = sample(5, 3, sd=2.0)
    better = {seed: value + 0.3 + 0.01 * seed for seed, value in enumerate(shared)}
    assert resolved(better, dict(enumerate(shared)))  # only because the pairs cancel the scatter
    assert not unpaired_difference(list(better.values()), shared).resolved
    assert not resolved({0: 90.0}, {0: 80.0})
    assert resolved({0: 90.0, 1: 90.1}, {5: 80.0, 6: 80.1})


def test_resolvable_difference_is_the_two_sample_test():
    """A difference of exactly this size has the p-value 5 %."""
    n, sd = 5, 0.2
    least = resolvable_difference(sd, n)
    assert least is not None
    test = stats.ttest_ind_from_stats(least, sd, n, 0.0, sd, n)
    assert test.pvalue == pytest.approx(0.05)
    assert resolvable_difference(sd, 1) is None


def test_what_seeds_resolve_on_fashion_mnist():
    """With the standard deviation of 0.2 points: 3 seeds resolve about half a point, 9 seeds 0.2."""
    assert resolvable_difference(0.2, 3) == pytest.approx(0.453, abs=1e-3)
    assert seeds_needed(0.2, 0.5) == 3
    assert seeds_needed(0.2, 0.2) == 9
    assert seeds_needed(5.0, 0.001) is None


def test_half_of_the_studies_find_a_difference_of_the_resolvable_size():
    random = np.random.default_rng(2)
    n = 4
    least = resolvable_difference(1.0, n)
    assert least is not None
    a = random.normal(least, 1.0, (4000, n))
    b = random.normal(0.0, 1.0, (4000, n))
    outcome = np.mean(stats.ttest_ind(a, b, axis=1).pvalue < 0.05)
    assert 0.45 < outcome < 0.62
    none = np.mean(
        [resolved(dict(enumerate(x - least)), dict(enumerate(y))) for x, y in zip(a, b, strict=True)]
    )
    assert none == pytest.approx(0.05, abs=0.012)


def test_pooled_sd_is_within_groups():
    groups = [sample(6, seed, mean=50.0 + 10 * seed) for seed in range(5)]
    assert pooled_sd(groups) == pytest.approx(math.sqrt(np.mean([np.var(group, ddof=1) for group in groups])))
    assert pooled_sd([[1.0], [2.0]]) is None
