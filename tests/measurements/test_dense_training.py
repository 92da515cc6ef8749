"""Which runs the settings of a dense task ask for, and how much work they are."""

import pytest

from ablate.measurements.dense_training import by_seed, work
from ablate.measurements.detection import DetectionCondition
from ablate.measurements.segmentation import Segmentation, SegmentationCondition
from ablate.runners.dense.schedules import schedule_of


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


def test_work_counts_what_is_moved() -> None:
    short = DetectionCondition(dataset="cutouts:shapes", steps=10, batch=8, test_images=5)
    # a head as dear as the backbone: six passes for a training image, two for a test image
    assert work(short) == 80 * 6 + 5 * 2
    assert work(short.but(freeze=True)) == 80 * 4 + 5 * 2
    assert (short.side, short.but(size=64).side, short.but(dataset="coco:x").side) == (128, 64, 256)
    assert DetectionCondition(dataset="coco:x", schedule="1x").side == 1024


@pytest.mark.parametrize(
    "condition",
    [
        DetectionCondition(),
        DetectionCondition(epochs=0.5, train_images=640),
        SegmentationCondition(steps=9),
        DetectionCondition(dataset="coco:x", schedule="1x"),
        SegmentationCondition(dataset="ade20k:x", schedule="40k"),
    ],
)
def test_work_knows_the_budgets_of_the_schedules(
    condition: DetectionCondition | SegmentationCondition,
) -> None:
    schedule = schedule_of(condition)
    images = condition.train_images or (2_000 if condition.composed else 100_000)
    trained = work(condition) - work(condition.but(freeze=True))  # two passes for every training image
    assert trained == pytest.approx(2 * schedule.batch * schedule.total_steps(images))
