"""Measured crossovers: known power laws, intervals, and the cases that are not resolved."""

from __future__ import annotations

import pytest

from ablate.statistics.crossing import Point, local_exponents, measured_crossover

SIDES = (112, 224, 448, 896)


def series(scale: float, power: float, error: float = 0.0) -> list[Point]:
    values = [(side, scale * side**power) for side in SIDES]
    return [Point(side, value, value * (1 - error), value * (1 + error)) for side, value in values]


def test_power_laws_cross_where_algebra_says() -> None:
    a, b = series(300.0, 2), series(1.0, 3)  # 300 r^2 = r^3 at r = 300
    outcome = measured_crossover(a, b)
    assert outcome.estimate == pytest.approx(300, rel=1e-9)
    assert outcome.low == pytest.approx(300, rel=1e-9)
    assert outcome.high == pytest.approx(300, rel=1e-9)
    assert outcome.resolved


def test_the_interval_comes_from_the_points() -> None:
    outcome = measured_crossover(series(300.0, 2, 0.1), series(1.0, 3, 0.1))
    assert outcome.low == pytest.approx(300 * 0.9 / 1.1, rel=1e-9)
    assert outcome.estimate == pytest.approx(300, rel=1e-9)
    assert outcome.high == pytest.approx(300 * 1.1 / 0.9, rel=1e-9)
    wider = measured_crossover(series(300.0, 2, 0.2), series(1.0, 3, 0.2))
    assert wider.low < outcome.low < outcome.high < wider.high


def test_overlap_everywhere_is_not_resolved() -> None:
    outcome = measured_crossover(series(1.0, 2, 0.2), series(1.05, 2, 0.2))
    assert (outcome.low, outcome.estimate, outcome.high, outcome.resolved) == (None, None, None, False)
    assert "not resolved" in outcome.note


def test_no_crossing() -> None:
    below = measured_crossover(series(1.0, 2, 0.01), series(2.0, 2, 0.01))
    above = measured_crossover(series(2.0, 2, 0.01), series(1.0, 2, 0.01))
    assert "every resolution" in below.note
    assert below.resolved
    assert "above" in above.note
    assert above.estimate is None


def test_a_bound_outside_of_the_range_is_none() -> None:
    # A is surely below at the end, but nowhere surely above
    a = [Point(112, 10, 8, 12), Point(224, 10, 8, 12), Point(448, 10, 9, 11)]
    b = [Point(112, 9, 7, 11), Point(224, 12, 9, 15), Point(448, 30, 28, 32)]
    outcome = measured_crossover(a, b)
    assert outcome.low is None
    assert 112 < outcome.estimate < 224 < outcome.high < 448
    assert not outcome.resolved


def test_the_last_of_several_crossings_counts() -> None:
    flat = [Point(side, 10, 10, 10) for side in SIDES]
    wave = [Point(side, v, v, v) for side, v in zip(SIDES, (9, 11, 9, 11), strict=True)]
    outcome = measured_crossover(flat, wave)
    assert 448 < outcome.estimate < 896
    assert "3 crossings" in outcome.note


def test_resolutions_in_common_are_needed() -> None:
    assert "common" in measured_crossover(series(1, 2)[:2], series(1, 2)[1:]).note


def test_local_exponents_are_in_pixels() -> None:
    assert local_exponents(SIDES, [side**4 for side in SIDES]) == pytest.approx([2, 2, 2])
