"""Published schedules term by term, and what may be changed of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models.detection.retinanet import RetinaNetHead

from ablate.dense.pyramid import build_pyramid
from ablate.layout.layout import Layout
from ablate.layout.settings import Model
from ablate.measurements.detection import Detection, DetectionProtocol
from ablate.measurements.segmentation import SegmentationProtocol
from ablate.runners.dense.detection import retinanet
from ablate.runners.dense.schedules import schedule_of

IMAGES = 117_266  # training images of COCO with a box


def test_1x() -> None:
    schedule = schedule_of(DetectionProtocol(schedule="1x"))
    assert (schedule.batch, schedule.lr, schedule.weight_decay, schedule.short_side, schedule.long_side) == (
        16,
        1e-4,
        1e-4,
        800,
        1333,
    )
    assert (schedule.neck_dim, schedule.anchor, schedule.divisor) == (256, 4, 32)
    steps = schedule.total_steps(IMAGES)
    assert steps == round(12 * IMAGES / 16) == 87_950

    def rate(step: int) -> float:
        return schedule.lr * schedule.factor(step, steps, IMAGES)

    assert rate(0) == pytest.approx(1e-7)
    assert rate(250) == pytest.approx(1e-4 * (0.001 + 0.999 / 2))
    assert rate(500) == pytest.approx(1e-4)
    eighth, eleventh = -(-8 * IMAGES // 16), -(-11 * IMAGES // 16)
    assert [rate(s) for s in (eighth - 1, eighth, eleventh - 1, eleventh, steps - 1)] == pytest.approx(
        [1e-4, 1e-5, 1e-5, 1e-6, 1e-6]
    )


def test_40k() -> None:
    schedule = schedule_of(SegmentationProtocol(schedule="40k"))
    assert (schedule.batch, schedule.lr, schedule.weight_decay, schedule.crop, schedule.scales) == (
        32,
        2e-4,
        1e-4,
        512,
        (0.5, 2.0),
    )
    assert schedule.total_steps(20_210) == 40_000
    for step in (0, 1, 20_000, 39_999):
        assert schedule.factor(step, 40_000, 20_210) == pytest.approx((1 - step / 40_000) ** 0.9)


def test_short_rises_and_falls_to_zero() -> None:
    schedule = schedule_of(SegmentationProtocol(steps=200, lr=0.5, batch=4))
    factors = [schedule.factor(step, 200, 100) for step in range(200)]
    top = factors.index(max(factors))
    assert top == 20
    assert all(a < b for a, b in pairwise(factors[: top + 1]))
    assert all(a > b for a, b in pairwise(factors[top:]))
    assert factors[-1] < 1e-4
    assert schedule_of(DetectionProtocol(epochs=2.5)).total_steps(160) == 25


def test_the_head_of_detection_is_lighter_in_short() -> None:
    """The published head is torchvision's own, weight by weight; that of `short` is as its row says."""
    published, short = (
        schedule_of(DetectionProtocol.model_validate({"schedule": name})) for name in ("1x", "short")
    )
    names = ("ratios", "convolutions", "groups", "prior")
    assert [getattr(published, name) for name in names] == [(0.5, 1.0, 2.0), 4, 0, 0.01]
    assert [getattr(short, name) for name in names] == [(1.0,), 1, 8, 0.1]
    layout = Layout("conv", widths=[8, 8, 16, 16], depths=1, mlp_ratio=1)
    head = retinanet(build_pyramid(layout), 5, replace(published, neck_dim=16)).head
    known = RetinaNetHead(16, 9, 5)
    assert [(name, value.shape) for name, value in head.named_parameters()] == [
        (name, value.shape) for name, value in known.named_parameters()
    ]
    assert torch.equal(head.classification_head.cls_logits.bias, known.classification_head.cls_logits.bias)
    part = retinanet(build_pyramid(layout), 5, short).head.classification_head
    assert len(part.conv) == 1
    assert isinstance(part.conv[0][1], nn.GroupNorm)
    assert part.cls_logits.out_channels == 3 * 5
    assert part.cls_logits.bias.sigmoid().tolist() == pytest.approx([0.1] * 15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "2x"}, "'short' or '1x'"),
        ({"schedule": "40k"}, "'short' or '1x'"),
        ({"schedule": "1x", "lr": 1e-3}, "schedule 1x is a published one: lr cannot be changed; take short"),
        ({"lr": -1.0}, "greater than 0"),
        ({"steps": 5, "epochs": 1.0}, "give epochs or steps, not both"),
        ({"size": 16}, "greater than or equal to 32"),
        ({"sede": 1}, "Extra inputs"),
    ],
)
@pytest.mark.parametrize("kind", [DetectionProtocol, Detection])
def test_mistakes(kind: type[Model], settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind(**settings)
