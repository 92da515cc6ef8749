"""What seeds can decide: against statsmodels' power, and against simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from ablate.statistics.planning import (
    decidable,
    least_difference,
    least_margin,
    seeds_for_difference,
    seeds_for_margin,
    spread_from_one,
    spread_of_differences,
)


@pytest.mark.parametrize("seeds", [3, 5, 12])
@pytest.mark.parametrize(("power", "comparisons"), [(0.8, 1), (0.9, 3)])
def test_the_least_difference_is_statsmodels(seeds: int, power: float, comparisons: int):
    outcome = least_difference(0.2, seeds, comparisons=comparisons, power=power)
    assert outcome is not None
    oracle = TTestPower().power(outcome / 0.2, seeds, 0.05 / comparisons, alternative="two-sided")
    assert oracle == pytest.approx(power, abs=1e-4)


def test_the_least_margin_is_what_simulated_studies_say():
    random = np.random.default_rng(0)
    for seeds in (3, 8):
        margin = least_margin(0.2, seeds)
        assert margin is not None
        x = random.normal(0, 0.2, (20_000, seeds))
        error = x.std(axis=1, ddof=1) / math.sqrt(seeds)
        equal = np.abs(x.mean(axis=1)) + stats.t.ppf(0.95, seeds - 1) * error < margin
        assert np.mean(equal) == pytest.approx(0.8, abs=0.01)


def test_one_seed_decides_nothing_and_more_decide_more():
    assert decidable(0.2, 1).difference is decidable(0.2, 1).margin is None
    differences = [decidable(0.2, seeds).difference for seeds in range(2, 12)]
    margins = [decidable(0.2, seeds).margin for seeds in range(2, 12)]
    assert differences == sorted(differences, reverse=True)
    assert margins == sorted(margins, reverse=True)


def test_seeds_needed_are_the_least_that_do():
    seeds = seeds_for_difference(0.2, 0.2)
    assert seeds is not None
    assert least_difference(0.2, seeds) <= 0.2 < least_difference(0.2, seeds - 1)
    more = seeds_for_margin(0.2, 0.2)
    assert more is not None
    assert least_margin(0.2, more) <= 0.2 < least_margin(0.2, more - 1)
    assert seeds_for_difference(0.2, 0.2, comparisons=7) > seeds
    assert seeds_for_difference(5.0, 0.001) is None
    assert seeds_for_difference(0.2, 1e9) == 2


def test_the_spread_of_differences_is_pooled_over_pairs():
    random = np.random.default_rng(1)
    shift = random.normal(0, 3, 400)  # what seeds do to all alike
    values = {name: dict(enumerate((shift + random.normal(0, 0.2, 400)).tolist())) for name in "abc"}
    outcome = spread_of_differences(values)
    assert outcome == pytest.approx(spread_from_one(0.2), rel=0.06)
    two = {name: values[name] for name in "ab"}
    pairs = [two["a"][seed] - two["b"][seed] for seed in two["a"]]
    assert spread_of_differences(two) == pytest.approx(np.std(pairs, ddof=1))
    assert spread_of_differences({"a": {0: 1.0, 1: 2.0}}) is None
    assert spread_of_differences({}) is None


@pytest.mark.parametrize(("sd", "power"), [(-1.0, 0.8), (math.nan, 0.8), (1.0, 0.0), (1.0, 1.0)])
def test_nonsense_is_refused(sd: float, power: float):
    for plan in (least_difference, least_margin):
        with pytest.raises(ValueError, match=r"spread|power"):
            plan(sd, 5, power=power)
