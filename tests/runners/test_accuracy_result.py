import json

import pytest
from pydantic import ValidationError

from ablate.measurements.accuracy import AccuracyValues, Candidate, edge

OLD = {
    "top1": 90.0, "test_loss": 0.3, "train_loss": 0.8, "images_seen": 1280, "steps": 10, "seconds": 2.0,
    "images_per_s": 640.0, "curve": [[640, 1.0], [1280, 0.8]], "test_images": 100,
    "recipe": {"name": "short", "lr": 0.03}, "augmentation": {"shift": 0},
    "tuning": [{"lr": 0.03, "top1": 89.0, "loss": 0.4, "diverged": None}],
}  # fmt: skip


def test_rows_of_earlier_versions_load():
    result = AccuracyValues.from_json(OLD)
    assert result.top1 == 90.0
    assert result.curve == [(640, 1.0), (1280, 0.8)]
    assert result.tuning == [Candidate(0.03, 89.0, 0.4)]
    assert result.balanced is None
    assert result.images_per_core_s is None
    assert AccuracyValues.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_wrong_rows_are_named():
    with pytest.raises(ValidationError, match="top1"):
        AccuracyValues.from_json({key: value for key, value in OLD.items() if key != "top1"})


def test_derived_figures():
    result = AccuracyValues.from_json(OLD | {"core_seconds": 4.0, "groups": {"shape": 30.0, "texture": 60.0}})
    assert result.images_per_core_s == 320
    assert result.shape_bias == pytest.approx(100 / 3)
    assert AccuracyValues.from_json(OLD).shape_bias is None


@pytest.mark.parametrize(
    ("grid", "chosen", "wanted"),
    [([1.0, 2.0, 3.0], 2.0, None), ([3.0, 1.0], 3.0, "high"), ([3.0, 1.0], 1.0, "low"), ([1.0], 1.0, None)],
)
def test_edges(grid: list[float], chosen: float, wanted: str | None):
    assert edge(grid, chosen) == wanted
