"""Which runs the settings of a dense task ask for."""

import pytest

from ablate.measurements.dense_training import by_seed
from ablate.measurements.segmentation import Segmentation, SegmentationCondition


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        ({}, [(0, False), (1, False)]),
        ({"floor": True}, [(0, False), (1, False), (0, True), (1, True)]),
        ({"freeze": True}, [(0, True), (1, True)]),
        ({"freeze": True, "floor": True}, [(0, True), (1, True)]),
    ],
)
def test_a_floor_adds_the_frozen_runs_once(settings: dict[str, bool], runs: list[tuple[int, bool]]):
    asked = Segmentation(dataset="cutouts:shapes", seeds=2, **settings)
    made = list(by_seed(asked, SegmentationCondition))
    assert [(condition.seed, condition.freeze) for condition in made] == runs
    assert (
        len({condition.model_copy(update={"seed": 0, "freeze": False}) == made[0] for condition in made}) == 1
    )
