"""Laws of ladders: scipy finds no better fit, known laws come back, flat ladders are not drawn, intervals
hold.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import least_squares

from ablate.statistics.ladder import Ladder, _jackknife, compute_multiplier, fit_ladders, law_crossing
from ablate.statistics.law import fit_ladder, fit_law, flatten

SIZES = (1e6, 2e6, 4e6, 8e6, 1.6e7)
Losses = dict[float, dict[int, float]]


def ladder(
    floor: float, scale: float, exponent: float, noise: float, seed: int, sizes: tuple[float, ...] = SIZES
) -> Losses:
    """Three seeds a size, with noise on the logarithm; a seed moves all sizes alike by as much."""
    random = np.random.default_rng(seed)
    shift = random.normal(0, noise, 3)
    return {
        size: {
            key: float((floor + scale / size**exponent) * np.exp(shift[key] + random.normal(0, noise)))
            for key in range(3)
        }
        for size in sizes
    }


@pytest.mark.parametrize("case", range(6))
def test_scipy_finds_no_better_fit(case: int):
    _, compute, losses = flatten(ladder(0.2, 1000, 0.5, (0.003, 0.03)[case % 2], case))
    ours = fit_law(compute, losses)
    x, y = np.log(compute) - np.log(compute).mean(), np.log(losses)
    costs = []
    for floor in (0.02, 0.5, 0.95):
        for exponent in (0.2, 0.6, 1.5):
            fit = least_squares(
                lambda p: np.logaddexp(p[0], p[1] - p[2] * x) - y,
                [math.log(floor * losses.min()), math.log(losses.mean()), exponent],
                bounds=([math.log(losses.min()) - 12, -np.inf, 1e-6], [np.inf, np.inf, 3.0]),
                loss="huber",
                f_scale=0.02,
            )
            costs.append(fit.cost)
    assert ours.misfit <= min(costs) * (1 + 1e-6)
    assert ours.misfit == pytest.approx(min(costs), rel=1e-3)


def test_a_law_without_noise_comes_back():
    outcome = fit_ladder(ladder(0.2, 1000, 0.5, 0.0, 0)).law
    assert outcome is not None
    assert outcome.floor == pytest.approx(0.2, rel=1e-4)
    assert outcome.exponent == pytest.approx(0.5, rel=1e-4)
    assert math.exp(outcome.log_scale) == pytest.approx(1000, rel=1e-3)
    assert outcome(3e6) == pytest.approx(0.2 + 1000 / 3e6**0.5)
    assert outcome.compute_for(outcome(3e6)) == pytest.approx(3e6)
    assert outcome.compute_for(0.1) == math.inf


def test_an_outlier_bends_huber_little():
    losses = ladder(0.2, 1000, 0.5, 0.001, 0)
    losses[SIZES[2]][0] *= 2
    outcome = fit_ladder(losses).law
    assert outcome is not None
    assert outcome(4e6) == pytest.approx(0.7, rel=0.03)  # the mean of that size alone is 33 % off


def test_few_sizes_and_flat_ladders_are_said_and_not_drawn():
    few = fit_ladder(ladder(0.2, 1000, 0.5, 0.01, 0, SIZES[:3]))
    assert few.law is None
    assert few.note == "3 sizes; a law needs 4"
    flat = fit_ladder(ladder(0.3, 0.0, 0.5, 0.02, 1))
    assert flat.law is None
    assert "does not beat a constant" in flat.note
    rising = fit_ladder({size: {0: 0.1 + 1e-8 * size, 1: 0.11 + 1e-8 * size} for size in SIZES})
    assert rising.law is None
    fitted = fit_ladders({"flat": ladder(0.3, 0.0, 0.5, 0.02, 1)}, draws=5)["flat"]
    assert fitted.draws == ()
    with pytest.raises(ValueError, match="constant"):
        compute_multiplier(fitted, fitted)
    for wrong in (0.0, math.nan, -1.0):
        with pytest.raises(ValueError, match="positive"):
            fit_ladder({size: {0: wrong} for size in SIZES})


def test_a_single_seed_needs_its_best_order():
    """Four sizes and one seed have 24 orders: p can be 1 / 24 and no less."""
    outcome = fit_ladder({size: {0: 0.2 + 1000 / size**0.5} for size in SIZES[:4]})
    assert outcome.law is not None
    assert outcome.p == pytest.approx(1 / 24)
    swapped = {1e6: {0: 1.0}, 2e6: {0: 0.7}, 4e6: {0: 0.5}, 8e6: {0: 0.9}}
    assert fit_ladder(swapped).law is None


def test_flat_ladders_pass_in_at_most_5_percent():
    drawn = [fit_ladder(ladder(0.3, 0.0, 0.5, 0.02, 100 + study, SIZES[:4])).law for study in range(30)]
    assert sum(law is not None for law in drawn) <= 4  # 1.5, and two standard errors


@pytest.fixture(scope="module")
def pair() -> dict[str, Ladder]:
    """B needs (1200 / 1000)^(1 / 0.5) = 1.44 times A's compute; C is A's law with another exponent."""
    return fit_ladders(
        {
            "a": ladder(0.2, 1000, 0.5, 0.01, 0),
            "b": ladder(0.2, 1200, 0.5, 0.01, 1),
            "c": ladder(0.2, 1000 * 4e6**0.2, 0.7, 0.01, 2),
        },
        draws=150,
    )


def test_the_compute_multiplier(pair: dict[str, Ladder]):
    outcome = compute_multiplier(pair["a"], pair["b"])
    assert outcome.low < 1.44 < outcome.high
    assert outcome.verdict == "better"
    assert outcome.at == pytest.approx(4e6)
    back = compute_multiplier(pair["b"], pair["a"], at=outcome.value * outcome.at)
    assert back.value == pytest.approx(1 / outcome.value)
    assert back.verdict == "worse"
    assert "beyond the sizes" in compute_multiplier(pair["a"], pair["b"], at=1e9).note
    assert compute_multiplier(pair["a"], pair["a"]).verdict == "not resolved"
    assert compute_multiplier(pair["a"], pair["b"]).to_json()["verdict"] == "better"


def test_laws_cross_where_algebra_says(pair: dict[str, Ladder]):
    outcome = law_crossing(pair["c"], pair["a"])
    assert outcome.resolved
    assert outcome.low < 4e6 < outcome.high
    assert outcome.estimate == pytest.approx(4e6, rel=0.2)
    never = law_crossing(pair["a"], pair["b"])
    assert (never.estimate, never.note) == (None, "A is below B")
    assert law_crossing(pair["b"], pair["a"]).note == "A is above B"


def test_the_band_holds_the_law_and_draws_repeat(pair: dict[str, Ladder]):
    low, high = pair["a"].band(SIZES)
    truth = np.array([0.2 + 1000 / size**0.5 for size in SIZES])
    assert (low < truth * 1.01).all()
    assert (truth * 0.99 < high).all()
    again = fit_ladders({"a": ladder(0.2, 1000, 0.5, 0.01, 0)}, draws=3)
    assert again["a"].draws == fit_ladders({"a": ladder(0.2, 1000, 0.5, 0.01, 0)}, draws=3)["a"].draws


def test_lost_seeds_are_left_out():
    losses = ladder(0.2, 1000, 0.5, 0.01, 0)
    del losses[SIZES[0]][1], losses[SIZES[3]][0]
    outcome = fit_ladders({"a": losses}, draws=20)["a"]
    assert len(outcome.draws) == 20
    assert outcome.law(4e6) == pytest.approx(0.7, rel=0.03)


def test_one_seed_has_no_error():
    single = {size: {0: 0.2 + 1000 / size**0.5} for size in SIZES}
    other = {size: {0: 0.2 + 1300 / size**0.5} for size in SIZES}
    outcome = fit_ladders({"a": single, "b": other}, draws=20)
    multiplier = compute_multiplier(outcome["a"], outcome["b"])
    assert multiplier.value == pytest.approx(1.69, rel=1e-3)
    assert multiplier.verdict == "not resolved"
    assert "one seed" in multiplier.note
    assert multiplier.to_json()["low"] is None


def test_the_jackknife_is_tukeys():
    """Of a mean, the jackknife's interval is Student's."""
    values = [1.0, 2.5, 2.0, 4.0]
    left_out = [(sum(values) - value) / 3 for value in values]
    interval = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert _jackknife(left_out) == pytest.approx((interval[1] - interval[0]) / 2)


def test_equal_layouts_are_seldom_told_apart():
    """The bootstrap alone told 13 of 80 such pairs apart."""
    claims = 0
    for study in range(12):
        pair = {
            "a": ladder(0.2, 1000, 0.5, 0.01, study, SIZES[:4]),
            "c": ladder(0.2, 1000, 0.5, 0.01, 9000 + study, SIZES[:4]),
        }
        outcome = fit_ladders(pair, draws=40)
        claims += compute_multiplier(outcome["a"], outcome["c"]).verdict != "not resolved"
    assert claims <= 2
