"""Comparisons against scipy's paired tests, every word of the verdict, and the cases where no test is
defined.
"""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from ablate.statistics import Comparison, compare, compare_ratios, correct, equivalence, holm
from ablate.statistics.compare import compare_differences, contrast

BASE = {seed: float(value) for seed, value in enumerate(np.random.default_rng(0).normal(90, 0.3, 12))}


def shifted(by: float, scatter: float = 0.05, seed: int = 1) -> dict[int, float]:
    noise = np.random.default_rng(seed).normal(0, scatter, len(BASE))
    return {key: value + by + float(noise[key]) for key, value in BASE.items()}


def test_importing_it_is_light():
    code = (
        "import sys, ablate.statistics;"
        "heavy = {'torch', 'scipy.stats', 'scipy.optimize', 'pandas', 'statsmodels'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("n", [2, 3, 7, 12])
def test_numbers_are_scipys(n: int):
    a, b = shifted(0.1), BASE
    outcome = compare({seed: a[seed] for seed in range(n)}, {**b, 77: 0.0})
    oracle = stats.ttest_rel([a[seed] for seed in range(n)], [b[seed] for seed in range(n)])
    interval = oracle.confidence_interval(0.95)
    assert outcome.n == n
    assert outcome.p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert (outcome.low, outcome.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert outcome.mean == pytest.approx(np.mean([a[seed] - b[seed] for seed in range(n)]))


@pytest.mark.parametrize("by", [-0.4, -0.02, 0.0, 0.03, 0.2])
@pytest.mark.parametrize("margin", [0.05, 0.3])
def test_equivalence_is_statsmodels(by: float, margin: float):
    a = shifted(by)
    outcome = equivalence(a, BASE, margin)
    p, *_ = ttost_paired(np.array(list(a.values())), np.array(list(BASE.values())), -margin, margin)
    assert outcome.p == pytest.approx(p, rel=1e-9)
    assert outcome.equivalent == (p <= 0.05)
    assert outcome.equivalent == (-margin < outcome.low and outcome.high < margin)
    interval = stats.ttest_rel(list(a.values()), list(BASE.values())).confidence_interval(0.9)
    assert (outcome.low, outcome.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert compare(a, BASE, margin).p_equivalent == outcome.p


def test_every_word():
    better, worse, near = shifted(0.5), shifted(-0.5), shifted(0.05, 0.02)
    assert compare(better, BASE).verdict == "better"
    assert compare(worse, BASE).verdict == "worse"
    assert compare(better, BASE, lower_is_better=True).verdict == "worse"
    assert compare(worse, BASE, lower_is_better=True).verdict == "better"
    assert compare(shifted(0.0, 0.5), BASE).verdict == "not resolved"
    assert compare(shifted(0.0), BASE, margin=0.3).verdict == "equivalent"
    # a sure difference inside the margin counts as none, as the study said
    assert compare(near, BASE).verdict == "better"
    assert compare(near, BASE, margin=0.3).verdict == "equivalent"
    # too few seeds for a margin: neither word
    assert compare(shifted(0.0, 0.5), BASE, margin=0.01).verdict == "not resolved"


def test_no_pair_one_pair_and_nan_claim_nothing():
    empty = compare({1: 1.0}, {2: 1.0}, margin=1.0)
    assert empty.n == 0
    assert math.isnan(empty.mean)
    single = compare({1: 3.0}, {1: 1.0, 2: 0.0}, margin=9.0)
    assert (single.n, single.mean) == (1, 2.0)
    assert math.isnan(single.low)
    lost = compare({1: math.nan, 2: 2.0, 3: 4.0}, {1: 1.0, 2: 1.0, 3: 1.0}, margin=9.0)
    assert math.isnan(lost.mean)
    endless = compare({1: math.inf, 2: 2.0}, {1: 1.0, 2: 1.0})
    both = compare({1: math.inf, 2: 2.0}, {1: math.inf, 2: 1.0})
    for outcome in (empty, single, lost, endless, both):
        assert math.isnan(outcome.p)
        assert outcome.verdict == "not resolved"
        assert not outcome.resolved
    assert not equivalence({1: 1.0}, {2: 1.0}, 1.0).equivalent


def test_without_scatter_six_pairs_are_needed():
    same = compare(BASE, BASE, margin=0.1)
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert same.verdict == "equivalent"
    assert compare(BASE, BASE).verdict == "not resolved"
    up = {seed: value + 0.1 for seed, value in BASE.items()}  # rounding scatters these by 1e-14
    five = compare({seed: up[seed] for seed in range(5)}, BASE)
    six = compare({seed: up[seed] for seed in range(6)}, BASE)
    assert (five.p, six.p) == (2**-4, 2**-5)
    assert math.isnan(five.low)
    assert six.low == six.high == pytest.approx(0.1)
    assert (five.verdict, six.verdict) == ("not resolved", "better")
    assert compare(up, BASE, margin=0.2).verdict == "equivalent"
    assert compare(up, BASE, margin=0.05).verdict == "better"


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan, math.inf])
def test_a_margin_is_positive(margin: float):
    for wrong in (compare, compare_ratios, equivalence):
        with pytest.raises(ValueError, match="margin"):
            wrong(BASE, BASE, margin)


def test_ratios_are_paired_logarithms():
    random = np.random.default_rng(3)
    a = dict(enumerate(random.lognormal(1.0, 0.05, 6).tolist()))
    b = dict(enumerate(random.lognormal(1.2, 0.05, 6).tolist()))
    outcome = compare_ratios(a, b, margin=0.02)
    oracle = stats.ttest_rel(np.log(list(a.values())), np.log(list(b.values())))
    interval = oracle.confidence_interval(0.95)
    assert outcome.mean == pytest.approx(stats.gmean(list(a.values())) / stats.gmean(list(b.values())))
    assert (outcome.low, outcome.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    assert outcome.p == pytest.approx(oracle.pvalue)
    assert outcome.verdict == "better"  # a time: lower
    assert compare_ratios(b, a).verdict == "worse"
    swapped = compare_ratios(b, a, margin=0.02)
    assert (swapped.low, swapped.p_equivalent) == pytest.approx((1 / outcome.high, outcome.p_equivalent))
    with pytest.raises(ValueError, match="positive"):
        compare_ratios({0: 0.0}, {0: 1.0})


def test_a_wide_ratio_is_not_resolved_like_a_wide_difference():
    outcome = compare_ratios({0: 1.0, 1: 4.0, 2: 3.0}, {0: 1.0, 1: 1.0, 2: 1.0})
    assert outcome.low < 1 < outcome.high
    assert outcome.verdict == "not resolved"
    assert math.isnan(compare_ratios({0: 1.0}, {0: 2.0}).low)


def test_a_contrast_of_four_is_an_interaction():
    rows = [dict(enumerate(np.random.default_rng(seed).normal(0, 1, 5).tolist())) for seed in range(4)]
    outcome = contrast([(1, rows[0]), (-1, rows[1]), (-1, rows[2]), (1, rows[3])])
    sums = [rows[0][i] - rows[1][i] - rows[2][i] + rows[3][i] for i in range(5)]
    assert outcome.p == pytest.approx(stats.ttest_1samp(sums, 0).pvalue)
    with pytest.raises(ValueError, match="at least one"):
        contrast([])


def test_a_family_is_corrected():
    family = {f"m{i}": compare(shifted(0.05 * i, 0.15, i), BASE) for i in range(5)}
    together = correct(family)
    reject, oracle, *_ = multipletests([item.p for item in family.values()], method="holm")
    assert [item.p_corrected for item in together.values()] == pytest.approx(list(oracle))
    assert [item.resolved for item in together.values()] == list(reject)
    weak = {name: compare_differences([0.4, 1.9, 0.6, 1.3, 0.3]) for name in "abcdefg"}
    assert all(item.verdict == "better" for item in weak.values())
    assert all(item.verdict == "not resolved" for item in correct(weak).values())


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_holm_is_statsmodels(count: int):
    ps = [*(np.random.default_rng(count).random(count) ** 3).round(2).tolist(), 0.0, 1.0]  # with ties
    assert holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]), abs=1e-12)


def test_holm_leaves_out_what_was_not_tested():
    assert holm([]) == []
    first, lost, second = holm([0.01, math.nan, 0.04])
    assert (first, second) == (0.02, 0.04)
    assert math.isnan(lost)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.5])


@pytest.mark.parametrize(
    "outcome", [compare(shifted(0.1), BASE, 0.2), compare({}, {}), compare_ratios(BASE, BASE)]
)
def test_json_there_and_back(outcome: Comparison):
    again = Comparison.from_json(outcome.to_json())
    assert again.to_json() == outcome.to_json()
    assert outcome.to_json()["verdict"] == outcome.verdict


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=8),
    st.floats(0.01, 50),
)
def test_swapping_the_sides_swaps_the_word(pairs: list[tuple[float, float]], margin: float):
    a, b = dict(enumerate(a for a, _ in pairs)), dict(enumerate(b for _, b in pairs))
    other = {"better": "worse", "worse": "better"}
    there, back = compare(a, b, margin), compare(b, a, margin)
    assert back.verdict == other.get(there.verdict, there.verdict)
    assert there.p == pytest.approx(back.p, nan_ok=True)
