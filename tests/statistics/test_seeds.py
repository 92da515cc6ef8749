import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.seeds import Difference, summarize, unpaired_difference
from ablate.statistics.student import t_quantile


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


def test_unpaired_difference_is_welchs():
    a, b = sample(4, 1), sample(9, 2, sd=1.0)
    outcome = unpaired_difference(a, b)
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (outcome.low, outcome.high) == pytest.approx((interval.low, interval.high))


def test_a_difference_of_one_value_has_no_interval():
    assert unpaired_difference([90.0], [80.0, 81.0]) == Difference(9.5, None, None, 1)
