"""Published backbones in the language: timm's parameters and MACs, and with its weights timm's outputs."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import timm
import torch
from torch import nn

import ablate
from ablate import Layout, Study
from ablate.errors import AblateError
from ablate.model.timm_weights import weights_from_timm
from ablate.study.shipped import find_study

NAMES = (
    "pvt_v2_b0",
    "pvt_v2_b1",
    "pvt_v2_b2",
    "swin_tiny_patch4_window7_224",
    "poolformer_s12",
    "convnext_tiny",
    "convformer_s18",
    "caformer_s18",
    "inception_next_tiny",
    "resnet18",
    "resnet50",
    "mobilenetv2_100",
    "efficientnet_b0",
    "starnet_s1",
    "mambaout_tiny",
    "focalnet_tiny_srf",
)


@cache
def study() -> Study:
    return ablate.load_study(find_study("backbones"))


def test_the_study_has_them_all() -> None:
    assert tuple(study().layouts) == NAMES
    assert not study().warnings


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_macs_are_timms(name: str) -> None:
    layout, theirs = study().layouts[name], Layout(f"timm:{name}")
    # Swin at sizes that its windows divide: elsewhere timm projects the padding too
    for resolution in (224, 448) if name.startswith("swin") else (224, 192):
        ours, expected = layout.cost(resolution), theirs.cost(resolution)
        assert (ours.params, ours.macs) == (expected.params, expected.macs)


def shaken(model: nn.Module) -> nn.Module:
    """Every parameter and statistic away from where it starts, so that none of them hides a difference."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point() or name.endswith("relative_position_index"):
                continue
            noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            if tensor.dim() > 1:
                fan_in = tensor[0].numel()
                tensor.copy_(noise / fan_in**0.5)
            elif name.endswith(("running_var", "scale", "gamma")) or (
                name.endswith("weight") and tensor.dim() == 1
            ):
                tensor.copy_(0.5 + noise.abs() / 4)
            else:
                tensor.copy_(noise / 4)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_outputs_with_timms_weights_are_timms(name: str) -> None:
    """In float64, so that what remains is no rounding; at two sizes."""
    options: dict[str, Any] = {"img_size": 224} if name.startswith("swin") else {}
    theirs = shaken(timm.create_model(name, num_classes=10, **options).double()).eval()
    ours = study().layouts[name].build(10).double().eval()
    state = {key: value for key, value in theirs.state_dict().items() if "position_index" not in key}
    ours.load_state_dict(weights_from_timm(name, state))
    sides = ((224, 224),) if name.startswith("swin") else ((64, 64), (96, 64))
    for height, width in sides:
        x = torch.randn(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            expected = theirs(x)
            gap = (ours(x) - expected).abs().max() / expected.abs().max()
        assert gap < 1e-5


def test_a_model_without_a_mapping_is_named() -> None:
    with pytest.raises(AblateError, match="'vit_tiny_patch16_224'"):
        weights_from_timm("vit_tiny_patch16_224", {})
