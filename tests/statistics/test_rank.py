"""Rank agreement against scipy, its interval against simulation, and which pairs can be trusted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.rank import kendall, rank_agreement, spearman


@pytest.mark.parametrize("n", [2, 5, 9, 30])
@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipys(n: int, ties: bool):
    random = np.random.default_rng(n)
    a = random.normal(0, 1, n).round(0 if ties else 9)
    b = (a + random.normal(0, 1, n)).round(0 if ties else 9)
    for ours, oracle in ((spearman, stats.spearmanr), (kendall, stats.kendalltau)):
        assert ours(a.tolist(), b.tolist()).value == pytest.approx(oracle(a, b).statistic, nan_ok=True)


@pytest.mark.parametrize("n", [8, 20])
def test_intervals_hold_the_truth(n: int):
    """For a bivariate normal with correlation r: Spearman (6 / pi) asin(r / 2), Kendall (2 / pi) asin(r)."""
    random, r = np.random.default_rng(0), 0.7
    truth = {spearman: 6 / math.pi * math.asin(r / 2), kendall: 2 / math.pi * math.asin(r)}
    hits = dict.fromkeys(truth, 0)
    for _ in range(1000):
        a = random.normal(0, 1, n)
        b = r * a + math.sqrt(1 - r * r) * random.normal(0, 1, n)
        for measure, value in truth.items():
            outcome = measure(a.tolist(), b.tolist())
            hits[measure] += outcome.low <= value <= outcome.high
    assert all(0.92 <= count / 1000 <= 0.985 for count in hits.values()), hits


def test_perfect_order_is_no_certainty():
    outcome = spearman([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    assert outcome.value == outcome.high == 1.0
    assert 0 < outcome.low < 0.97
    few = kendall([1, 2, 3, 4], [1, 2, 3, 4])
    assert few.value == 1.0
    assert math.isnan(few.low)
    assert math.isnan(spearman([], []).value)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]).value)


def test_pairs_that_are_sure():
    random = np.random.default_rng(1)

    def sample(mean: float) -> dict[int, float]:
        return dict(enumerate(random.normal(mean, 0.05, 4).tolist()))

    long = {"a": sample(1), "b": sample(2), "c": sample(3), "d": sample(3.001), "gone": {}}
    short = {"a": sample(2), "b": sample(1), "c": sample(4), "d": sample(5), "gone": sample(3)}
    outcome = rank_agreement(short, long)
    assert outcome.layouts == ("a", "b", "c", "d")
    assert outcome.pairs == 6
    assert (outcome.sure, outcome.sure_agreeing, outcome.sure_reversed) == (5, 4, 1)
    assert outcome.to_json()["spearman"]["low"] is None
