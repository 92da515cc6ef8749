"""Small runs of both tasks: they learn, they repeat bit for bit, and they start from given weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.data.dense import load_dense
from ablate.data.dense.samples import IGNORED
from ablate.dense import build_pyramid
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.measurements.dense_training import DenseCondition
from ablate.measurements.detection import DetectionCondition
from ablate.measurements.segmentation import SegmentationCondition
from ablate.model import build
from ablate.runners.dense.detection import Detector, retinanet
from ablate.runners.dense.run import run_dense, train_and_judge
from ablate.runners.dense.schedules import schedule_of
from ablate.runners.dense.segmentation import class_weights
from ablate.runners.dense.training import for_dataset
from ablate.runners.dense.weights import load_backbone, read_weights
from ablate.runners.diverged import Diverged

LAYOUT = Layout("conv(expand=2, kernel=3)", widths=[16, 16, 24, 24], depths=1, mlp_ratio=1)
SMALL: dict[str, Any] = {"dataset": "cutouts:drawn", "size": 32, "test_images": 6, "batch": 4, "steps": 6}


@pytest.mark.parametrize("kind", [DetectionCondition, SegmentationCondition])
def test_a_run_repeats_bit_for_bit_and_its_row_is_complete(kind: type[DenseCondition]) -> None:
    first, again, other = (run_dense(LAYOUT, kind(**SMALL, seed=seed)) for seed in (0, 0, 1))
    assert first.curve == again.curve
    assert first.scores == again.scores
    assert first.curve != other.curve
    assert (first.steps, first.images_seen, len(first.curve)) == (6, 24, 6)
    assert first.schedule["lr"] == 4e-3
    assert first.data["dataset"] == "cutouts:drawn"
    assert "multiples of 32" in first.test
    assert type(first).from_json(json.loads(json.dumps(first.to_json()))) == first


def test_segmentation_learns() -> None:
    result = run_dense(LAYOUT, SegmentationCondition(**{**SMALL, "steps": 40, "lr": 5e-3}))
    assert result.curve[-1][1] < 0.8 * result.curve[0][1]  # classes are weighted by their rarity


def test_detection_learns() -> None:
    result = run_dense(LAYOUT, DetectionCondition(**{**SMALL, "steps": 25, "lr": 3e-3}))
    assert result.curve[-1][1] < 0.9 * result.curve[0][1]


def test_detection_finds_what_it_has_seen() -> None:
    data = load_dense("cutouts:shapes", "detection", size=64, train_images=8)
    seen = replace(data.train, open_ended=False)  # type: ignore[type-var]
    data = replace(data, train=seen, test=seen)

    def ap50(steps: int) -> float:
        protocol = DetectionCondition(steps=steps, batch=8)
        scores: Any = train_and_judge(LAYOUT, data, schedule_of(protocol), protocol).scores
        return float(scores.ap50)

    start, end = ap50(1), ap50(40)
    assert start < 10
    assert end > 60


def test_test_images_keep_their_size_and_detections_their_place() -> None:
    """A detector that is told where the object is finds it there, in pixels of the image as it was given."""
    data = load_dense("cutouts:drawn", "detection", size=40, test_images=3)
    schedule = replace(schedule_of(DetectionCondition()), short_side=80, long_side=80)
    runner = Detector(retinanet(build_pyramid(LAYOUT), 8, schedule), data, schedule, "fp32", "cpu")
    sizes = []
    runner.net.backbone.model.backbone.register_forward_pre_hook(lambda _, args: sizes.append(args[0].shape))

    class Told(torch.nn.Module):
        """Logits that are high at the centre of the image at P3 alone, and boxes equal to their anchors."""

        def forward(self, maps: list[torch.Tensor]) -> dict[str, torch.Tensor]:
            anchors = sum(3 * m.shape[-1] * m.shape[-2] for m in maps)
            logits = torch.full((1, anchors, 8), -9.0)
            columns = maps[0].shape[-1]
            logits[0, 3 * (5 * columns + 5), 4] = 9.0  # the anchor of side 16 at (40, 40)
            return {"cls_logits": logits, "bbox_regression": torch.zeros(1, anchors, 4)}

    runner.net.head = Told()
    detections = runner.detect(data.test[0])
    assert sizes == [(1, 3, 96, 96)]  # 80 pixels, padded to a multiple of 32
    assert detections.labels.tolist() == [4]
    # columns are 8 pixels apart, and the scale of the image is 2
    assert detections.boxes[0].tolist() == pytest.approx([16, 16, 24, 24], abs=0.01)


def test_a_frozen_backbone_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    import ablate.runners.dense.run as runs

    built = []

    def keep(*arguments: Any, **options: Any) -> Any:
        built.append(build_pyramid(*arguments, **options))
        built.append({name: value.clone() for name, value in built[0].state_dict().items()})
        return built[0]

    monkeypatch.setattr(runs, "build_pyramid", keep)
    run_dense(LAYOUT, SegmentationCondition(**{**SMALL, "steps": 2}, freeze=True))
    pyramid, before = built
    assert all(torch.equal(value, before[name]) for name, value in pyramid.state_dict().items())
    built.clear()
    run_dense(LAYOUT, SegmentationCondition(**{**SMALL, "steps": 2}))
    pyramid, before = built
    moved = [name for name, value in pyramid.named_parameters() if not torch.equal(value, before[name])]
    assert moved == [name for name, _ in pyramid.named_parameters()]  # every one has a gradient


def test_weights_of_a_classifier_start_the_backbone(tmp_path: Path) -> None:
    classifier = build(LAYOUT, 10)
    file = tmp_path / "weights.pt"
    torch.save({"model": classifier.state_dict()}, file)
    pyramid = build_pyramid(LAYOUT)
    fresh = load_backbone(pyramid, read_weights(file), "weights.pt")
    assert all(name.startswith("norms.") for name in fresh)
    wanted = classifier.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in pyramid.body.state_dict().items())
    result = run_dense(LAYOUT, SegmentationCondition(**{**SMALL, "steps": 1}, pretrain=str(file)))
    assert result.weights == "weights.pt"


def test_weights_of_a_timm_classifier() -> None:
    import timm

    layout = Layout("timm:pvt_v2_b0")
    classifier = timm.create_model("pvt_v2_b0", num_classes=10)
    pyramid = build_pyramid(layout)
    assert load_backbone(pyramid, classifier.state_dict()) == []
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        last = pyramid.eval()(image)[-1]
        assert torch.allclose(last, classifier.eval().forward_features(image), atol=1e-5)


def test_wrong_weights(tmp_path: Path) -> None:
    state = build(LAYOUT, 10).state_dict()
    pyramid = build_pyramid(LAYOUT)
    other = build(LAYOUT.replace(widths=[16, 16, 24, 32]), 10).state_dict()
    with pytest.raises(AblateError, match="has the shape"):
        load_backbone(pyramid, other)
    with pytest.raises(AblateError, match="weights of the backbone are missing, stem"):
        load_backbone(pyramid, {name: value for name, value in state.items() if not name.startswith("stem")})
    with pytest.raises(AblateError, match="belong to another backbone"):
        load_backbone(pyramid, {**state, "extra.weight": torch.zeros(1)})
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"x")
    for file, message in ((bad, "cannot be read as weights"), (tmp_path / "none.pt", "no such file")):
        with pytest.raises(AblateError, match=message):
            read_weights(file)
    with pytest.raises(AblateError, match="only timm's models"):
        run_dense(LAYOUT, SegmentationCondition(**SMALL, pretrain="timm"))


def test_a_loss_that_is_not_finite_is_a_failure() -> None:
    with pytest.raises(Diverged, match="not finite at step"):
        run_dense(LAYOUT, SegmentationCondition(**{**SMALL, "lr": 1e30}))


def test_short_on_files_has_sizes() -> None:
    data = load_dense("cutouts:drawn", "segmentation", size=32)
    schedule = schedule_of(SegmentationCondition())
    assert for_dataset(schedule, data) == schedule
    assert for_dataset(schedule, replace(data, size=None)).crop == 256


def test_weights_of_classes_follow_their_share() -> None:
    labels = torch.tensor([[0] * 9 + [2, IGNORED, IGNORED]])
    weights = class_weights(labels, 4, 0.5)
    assert weights.tolist() == pytest.approx([0.9**-0.5, 0, 0.1**-0.5, 0])
    assert class_weights(labels, 4, 0.0)[[0, 2]].tolist() == [1, 1]
    assert class_weights(torch.full((1, 4), IGNORED), 4, 0.5).tolist() == [0] * 4
