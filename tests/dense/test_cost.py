"""Costs of dense models against the figures that papers print, and against a count by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ablate.cost import layout_cost
from ablate.dense import CONVENTIONS, build_retinanet, dense_cost
from ablate.dense.cost import ConventionName, convention_cost
from ablate.errors import AblateError
from ablate.layout.layout import Layout


def gmacs(model: str, name: ConventionName) -> float:
    return convention_cost(Layout(f"timm:{model}"), name).macs / 1e9


# This count, and the figures that were published for the same models: tables of detection and segmentation
# of PVTv2 (Wang et al. 2022, arXiv 2106.13797) and PoolFormer (Yu et al. 2022, arXiv 2111.11418).
SEMANTIC_FPN = [
    ("pvt_v2_b0", 24.98, 25.0),
    ("pvt_v2_b1", 34.14, 34.2),
    ("pvt_v2_b2", 45.63, 45.8),
    ("poolformer_s12", 30.91, 31.0),
]
RETINANET = [
    ("pvt_v2_b0", 177.5, 12.95),
    ("pvt_v2_b1", 224.7, 23.75),
    ("pvt_v2_b2", 290.2, 35.10),
    ("poolformer_s12", 188.5, 21.65),
    ("swin_tiny_patch4_window7_224", 247.6, 38.46),
]
BACKBONES = [("pvt_v2_b0", 3.80), ("pvt_v2_b1", 12.69), ("poolformer_s12", 9.47), ("resnet50", 21.35)]


@pytest.mark.parametrize(("model", "exact", "printed"), SEMANTIC_FPN)
def test_semantic_fpn_at_512(model: str, exact: float, printed: float) -> None:
    assert gmacs(model, "semantic_fpn") == pytest.approx(exact, abs=0.0051)
    assert gmacs(model, "semantic_fpn") == pytest.approx(printed, rel=0.005)


@pytest.mark.parametrize(("model", "macs", "params"), RETINANET)
def test_retinanet_at_1280_by_800(model: str, macs: float, params: float) -> None:
    cost = convention_cost(Layout(f"timm:{model}"), "retinanet")
    assert cost.macs / 1e9 == pytest.approx(macs, abs=0.051)
    assert cost.params / 1e6 == pytest.approx(params, abs=0.0051)


def test_retinanet_of_resnet50_in_its_parts() -> None:
    cost = convention_cost(Layout("timm:resnet50"), "retinanet")
    parts = [piece.macs / 1e9 for piece in (cost.backbone, cost.neck, cost.head)]
    assert parts == pytest.approx([83.41, 17.32, 137.80], abs=0.0051)


@pytest.mark.parametrize(("model", "macs"), BACKBONES)
def test_backbone_at_512(model: str, macs: float) -> None:
    assert gmacs(model, "backbone_512") == pytest.approx(macs, abs=0.0051)


def test_the_heads_by_hand() -> None:
    """Every convolution written down: positions x inputs x outputs x kernel."""
    costs = dense_cost(Layout("timm:pvt_v2_b0"))
    positions = [100 * 160, 50 * 80, 25 * 40, 13 * 20, 7 * 10]  # P3 to P7, rounded up
    convolutions = 2 * 4 * 9 * 256 * 256 + 9 * 256 * 9 * 80 + 9 * 256 * 9 * 4
    assert costs["retinanet"].head.macs == sum(positions) * convolutions
    widths = [64, 160, 256]
    neck = sum(p * (c * 256 + 9 * 256 * 256) for p, c in zip(positions, widths, strict=False))
    assert costs["retinanet"].neck.macs == neck + positions[3] * 9 * 256 * 256 + positions[4] * 9 * 256 * 256
    grid = [128 * 128, 64 * 64, 32 * 32, 16 * 16]
    first, more = 9 * 256 * 128, 9 * 128 * 128
    branches = grid[0] * first + grid[1] * first + grid[2] * first + grid[1] * more
    branches += grid[3] * first + grid[2] * more + grid[1] * more
    assert costs["semantic_fpn"].head.macs == branches + grid[0] * 128 * 150


def test_a_layout_is_its_parts_without_the_head() -> None:
    layout = Layout("alternate(conv, key_only)", widths=[16, 24, 32, 48], depths=1, heads=2)
    cost = dense_cost(layout)["backbone_512"]
    whole = layout_cost(layout, 512)
    head = next(row for row in whole.stage_rows if row.name == "head")
    assert cost.macs == whole.macs - head.work.macs
    norms = 2 * (16 + 24 + 32 + 48)  # one norm for each map; the classifier's own is in its head
    assert cost.params == whole.params - head.params + norms
    assert (cost.neck.macs, cost.head.params) == (0, 0)


def test_p6_comes_from_the_backbone_even_with_256_channels() -> None:
    model = build_retinanet(Layout("timm:pvt_v2_b0"))  # C5 has 256 channels
    maps = [torch.randn(1, dim, 64 // s, 64 // s) for dim, s in zip((64, 160, 256), (8, 16, 32), strict=True)]
    with torch.no_grad():
        _, _, p5, p6, p7 = model.neck(maps)
        extra = model.neck.fpn.extra_blocks
        assert torch.equal(p6, extra.p6(maps[-1]))
        assert not torch.equal(p6, extra.p6(p5))
        assert torch.equal(p7, extra.p7(p6.relu()))


def test_memory_of_a_small_model_is_ordered_and_depends_on_the_kernel() -> None:
    layout = Layout("softmax", widths=[16, 16, 16, 16], depths=1, heads=1)
    memory = dense_cost(layout)["backbone_512"].memory
    tokens = 128 * 128
    assert memory["math"].inference_peak >= 4 * tokens**2  # the score matrix of stage 1, float32
    assert memory["fused"].training_peak < memory["math"].inference_peak
    assert memory["fused"].saved_activations <= memory["fused"].training_peak


def test_backbones_without_a_pyramid_say_so() -> None:
    with pytest.raises(AblateError, match="strides 4, 8, 16 and 32"):
        dense_cost(Layout("conv", widths=[16, 16], depths=1))
    with pytest.raises(AblateError, match="strides 4, 8, 16 and 32"):
        dense_cost(Layout("timm:vit_tiny_patch16_224"))


def test_command(ablate: Callable[..., Any]) -> None:
    ended = ablate("cost", "timm:pvt_v2_b0", "--dense", "--json")
    records = json.loads(ended.out)
    assert list(records) == list(CONVENTIONS)
    for name, record in records.items():
        assert record["macs"] == record["backbone"] + record["neck"] + record["head"]
        assert record["macs"] == convention_cost(Layout("timm:pvt_v2_b0"), name).macs
        assert record["params"] == sum(record["params_of"].values())
        assert record["memory"]["fused"]["training_peak"] > record["memory"]["fused"]["inference_peak"] > 0
    shown = ablate("cost", "timm:pvt_v2_b0", "--dense").out
    assert "1280 x 800" in shown
    assert "177.5" in shown
