"""Fronts, layers and the hypervolume, against Optuna's and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from ablate.statistics.front import hypervolume, layers, not_beaten, spread_out


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_hypervolume_is_optunas(dimensions: int, count: int) -> None:
    rng = np.random.default_rng(dimensions * 100 + count)
    points = (
        rng.integers(0, 8, (count, dimensions)).astype(float) / 6
    )  # with ties, and some beyond the reference
    inside = points[(points < 1.0).all(axis=1)]
    expected = compute_hypervolume(inside, np.ones(dimensions)) if len(inside) else 0.0
    assert hypervolume(points.tolist(), [1.0] * dimensions) == pytest.approx(expected)


def test_hypervolume_of_boxes() -> None:
    assert hypervolume([[0.0, 0.0]], [2.0, 3.0]) == 6
    assert hypervolume([[0.0, 1.0], [1.0, 0.0]], [2.0, 2.0]) == 3
    assert hypervolume([[2.0, 0.0]], [2.0, 2.0]) == 0
    assert hypervolume([], [1.0]) == 0


def test_layers_are_fronts_of_what_is_left() -> None:
    points = [[1.0, 1.0], [2.0, 2.0], [0.0, 3.0], [3.0, 3.0], [2.0, 2.0]]
    assert layers(points) == [[0, 2], [1, 4], [3]]
    assert not_beaten(points) == [0, 2]


def test_the_chosen_are_spread_over_the_front() -> None:
    points = [[0.0, 1.0], [0.01, 0.99], [0.5, 0.4], [0.99, 0.01], [1.0, 0.0], [2.0, 2.0]]
    chosen = spread_out(points, 3)
    assert 2 in chosen
    assert len({index // 2 for index in chosen}) == 3  # not both of two neighbours
    assert spread_out(points, 6)[-1] == 5
    assert spread_out([[3.0], [1.0], [2.0]], 2) == [1, 2]
