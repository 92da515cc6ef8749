"""Sequential looks: what they spend, that they never claim too often, and that a decision stays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.statistics import compare
from ablate.statistics.sequential import Looks, sequential_compare, spent, undecided


def test_spending_is_lan_and_demets():
    """Their table for O'Brien-Fleming's kind, two-sided 5 %: 5.2e-6 at a quarter, 0.3051 % at a half."""
    assert spent(0.5) == pytest.approx(4 * (1 - stats.norm.cdf(stats.norm.ppf(1 - 0.0125) / math.sqrt(0.5))))
    assert spent(0.5) == pytest.approx(0.00305, abs=1e-5)
    assert spent(1.0) == pytest.approx(0.05)
    assert spent(0.0) == 0.0
    shares = np.linspace(0, 1, 50)
    assert list(map(spent, shares)) == sorted(map(spent, shares))


def test_looks_are_planned_and_add_up():
    assert Looks.plan(3, 20).seeds == (3, 5, 8, 12, 20)
    assert Looks.plan(4, 4).seeds == (4,)
    looks = Looks.plan(3, 20)
    assert sum(looks.level(look) for look in range(len(looks.seeds))) == pytest.approx(0.05)
    for wrong in ((), (1, 4), (4, 3), (3, 3)):
        with pytest.raises(ValueError, match="looks"):
            Looks(wrong)
    with pytest.raises(ValueError, match="2 seeds"):
        Looks.plan(5, 3)


def test_adjusted_p_is_5_percent_just_at_the_level():
    looks = Looks.plan(3, 12)
    for look in range(len(looks.seeds)):
        level = looks.level(look)
        assert looks.adjusted(look, level) == pytest.approx(0.05, rel=1e-6)
        assert looks.adjusted(look, level / 2) < 0.05 < looks.adjusted(look, level * 1.5)
    assert math.isnan(looks.adjusted(0, math.nan))
    assert looks.adjusted(0, 0.9) == 1.0


def test_a_single_look_is_the_plain_test():
    random = np.random.default_rng(2)
    a, b = (dict(enumerate(random.normal(0, 1, 6).tolist())) for _ in range(2))
    outcome, plain = sequential_compare(a, b, range(6), Looks((6,)), 3.0), compare(a, b, 3.0)
    assert outcome.p == pytest.approx(plain.p, rel=1e-6) or plain.p > 0.5
    assert (outcome.low, outcome.high) == pytest.approx((plain.low, plain.high))
    assert outcome.p_equivalent == pytest.approx(plain.p_equivalent, rel=1e-6)


def sequences(count: int, most: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(3).normal(shift, 1.0, (count, most))


def test_equal_layouts_are_called_different_in_at_most_5_percent():
    looks = Looks.plan(3, 20)
    zero = dict.fromkeys(range(20), 0.0)
    claims = peeked = 0
    for row in sequences(2000, 20):
        sample = dict(enumerate(row.tolist()))
        claims += sequential_compare(sample, zero, range(20), looks).resolved
        peeked += any(
            compare({seed: sample[seed] for seed in range(count)}, zero).resolved for count in looks.seeds
        )
    assert claims / 2000 <= 0.05
    assert claims / 2000 > 0.02  # what it pays is not much
    assert peeked / 2000 > 0.1  # what looking without paying does


def test_a_margin_is_not_claimed_too_often_at_its_edge():
    looks, zero = Looks.plan(3, 20), dict.fromkeys(range(20), 0.0)
    claims = [
        sequential_compare(dict(enumerate(row.tolist())), zero, range(20), looks, 1.0).equivalent
        for row in sequences(1000, 20, shift=1.0)
    ]
    assert np.mean(claims) <= 0.05


def test_a_decision_stays_and_stops():
    looks = Looks.plan(3, 12)
    zero = dict.fromkeys(range(12), 0.0)
    row = [*np.random.default_rng(4).normal(2.0, 0.2, 8).tolist(), -9.0, 9.0, -9.0, 0.0]
    sample = dict(enumerate(row))
    early = sequential_compare(sample, zero, range(8), looks)
    late = sequential_compare(sample, zero, range(12), looks)
    assert early.verdict == late.verdict == "better"
    assert not compare(sample, zero).resolved
    assert undecided({"x": early}) == ()
    assert undecided({"x": early, "y": compare({}, {})}) == ("y",)


def test_before_the_first_look_and_with_lost_seeds():
    looks, zero = Looks.plan(3, 6), dict.fromkeys(range(6), 0.0)
    assert math.isnan(sequential_compare({0: 1.0, 1: 2.0}, zero, range(2), looks).p)
    lost = sequential_compare({0: 1.0, 1: 2.0, 4: 1.5, 5: 2.2}, zero, range(6), looks)
    assert lost.n == 4
    same = sequential_compare(dict.fromkeys(range(6), 1.0), zero, range(3), looks)
    assert math.isnan(same.low)
