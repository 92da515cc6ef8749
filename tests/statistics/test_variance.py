"""Variance components: known components come back, and their intervals hold them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.variance import EVERYTHING, variance_components, variance_runs

TRUE = {"weights": 0.3, "order": 0.2, "augmentation": 0.1}


def design(runs: int, groups: int, seed: int) -> tuple[list[float], dict[str, list[list[float]]]]:
    random = np.random.default_rng(seed)
    total = math.sqrt(sum(sd**2 for sd in TRUE.values()))
    alone = {
        name: [(random.normal(0, total) + random.normal(0, sd, runs)).tolist() for _ in range(groups)]
        for name, sd in TRUE.items()
    }
    return random.normal(90, total, runs).tolist(), alone


def test_components_come_back():
    outcome = {item.name: item for item in variance_components(*design(1500, 2, 0))}
    for name, sd in TRUE.items():
        assert outcome[name].sd == pytest.approx(sd, rel=0.05)
        assert outcome[name].share == pytest.approx(sd**2 / 0.14, rel=0.1)
    assert outcome[EVERYTHING].sd == pytest.approx(math.sqrt(0.14), rel=0.05)
    assert (outcome["weights"].runs, outcome["weights"].freedom) == (3000, 2998)


def test_intervals_hold_the_truth():
    hits = {"sd": 0, "share": 0}
    for study in range(1000):
        first = variance_components(*design(5, 2, study))[0]
        hits["sd"] += first.low <= 0.3 <= first.high
        hits["share"] += first.share_low <= 0.09 / 0.14 <= first.share_high
    assert hits["sd"] / 1000 == pytest.approx(0.95, abs=0.02)
    assert hits["share"] / 1000 == pytest.approx(0.95, abs=0.02)


def test_the_interval_is_chi_squareds():
    values = [90.1, 90.4, 89.7, 90.0]
    outcome = variance_components(values, {})[-1]
    sd = np.std(values, ddof=1)
    assert outcome.sd == pytest.approx(sd)
    assert outcome.low == pytest.approx(sd * math.sqrt(3 / stats.chi2.ppf(0.975, 3)))
    assert outcome.high == pytest.approx(sd * math.sqrt(3 / stats.chi2.ppf(0.025, 3)))


def test_single_runs_have_no_spread():
    outcome = variance_components([1.0], {"weights": [[1.0], [2.0]]})
    assert all(math.isnan(item.sd) and math.isnan(item.low) for item in outcome)
    assert outcome[0].to_json()["share"] is None
    with pytest.raises(ValueError, match="finite"):
        variance_components([1.0, math.nan], {})


def test_the_design_holds_all_but_one_fixed():
    names = ("weights", "order", "split")
    runs = variance_runs(names, 4, groups=2)
    assert len(runs) == 4 + 3 * 2 * 4
    for name in names:
        for group in range(2):
            rows = [run.seeds for run in runs if (run.varies, run.group) == (name, group)]
            assert len({row[name] for row in rows}) == 4
            assert all(len({row[other] for row in rows}) == 1 for other in names if other != name)
    everything = [run.seeds for run in runs if run.varies == EVERYTHING]
    assert all(len({row[name] for row in everything}) == 4 for name in names)
    assert runs[4].seeds == runs[0].seeds  # one cell, twice used
    assert len({tuple(run.seeds.values()) for run in runs}) == len(runs) - 3 * 2
    for wrong in ((1, 1), (3, 0)):
        with pytest.raises(ValueError, match="two runs"):
            variance_runs(names, *wrong)
