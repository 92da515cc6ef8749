"""`convert`: a model of timm written in the language, where its family is one that the suite knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ablate.errors import AblateError, did_you_mean
from ablate.layout.layout import Layout
from ablate.layout.timm_model import TimmModel
from ablate.model.backbone import build
from ablate.model.timm_models import build_timm
from ablate.model.timm_weights import weights_from_timm
from ablate.study.load import load_study
from ablate.study.shipped import find_study

_RESOLUTION = 224


def convert(name: str) -> Layout:
    """The layout of a timm model: a shipped one, or its relative with the depths and widths of timm's.

    What comes out is checked: every tensor of timm's model has its place and shape, and parameters and MACs
    at 224 pixels are equal. Raises `AblateError` for another family, and where something is left over.
    """
    templates = dict(load_study(find_study("backbones")).layouts)
    template = templates.get(name) or _relative(name, templates)
    if not isinstance(template, Layout):
        raise AblateError(
            f"timm's {name!r} is of no family that can be written{did_you_mean(name, list(templates))}"
        )
    with torch.device("meta"):
        model = build_timm(name, resolution=_RESOLUTION)
    state = {key: value for key, value in model.state_dict().items() if "position_index" not in key}
    target = {key: tuple(value.shape) for key, value in weights_from_timm(name, state).items()}
    layout = template if name in templates else _resized(template, name, target)
    _compare(layout, name, target)
    return layout


def _relative(name: str, templates: Mapping[str, object]) -> object | None:
    """The shipped layout whose name has the longest beginning in common with this one."""

    def common(other: str) -> int:
        return next((i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), len(other))

    if re.fullmatch(r"resnet(18|34)", name):
        return templates["resnet18"]
    if re.fullmatch(r"resnet\d+", name):
        return templates["resnet50"]
    best = max(templates, key=common)
    family = best.split("_")[0]
    return templates[best] if re.match(rf"{family}(_|$)", name) else None


def _resized(template: Layout, name: str, target: Mapping[str, tuple[int, ...]]) -> Layout:
    """The template with the depths, widths and heads that timm's tensors have."""
    stages = len(template.stages)
    depths = [
        max((int(m[1]) for key in target if (m := re.match(rf"stages\.{i}\.block(\d+)\.", key))), default=0)
        for i in range(stages)
    ]
    widths = [_width(target, "stem" if i == 0 else rf"stages\.{i}\.downsample") for i in range(stages)]
    if 0 in depths or None in widths:
        raise AblateError(f"timm's {name!r} has other stages than {template.name!r}")
    settings: dict[str, Any] = {"depths": depths, "widths": widths, "name": name}
    tables = [target.get(f"stages.{i}.block1.mixer.relative_bias") for i in range(stages)]
    if all(table is not None for table in tables):
        settings["heads"] = [table[0] for table in tables if table is not None]
    return template.replace(**settings)


def _width(target: Mapping[str, tuple[int, ...]], prefix: str) -> int | None:
    """Channels that leave a stem or a downsampling: those of its last convolution or linear layer."""
    widths = {
        key: shape[0] for key, shape in target.items() if re.match(prefix, key) and len(shape) in (2, 4)
    }
    last = [width for key, width in widths.items() if ".project." in key]
    return last[-1] if last else max(widths.values(), default=None)


def _compare(layout: Layout, name: str, target: Mapping[str, tuple[int, ...]]) -> None:
    with torch.device("meta"):
        state: dict[str, Tensor] = build(layout).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    for key in sorted({*shapes, *target}):
        if shapes.get(key) != target.get(key):
            shape, wanted = shapes.get(key, "nothing"), target.get(key, "nothing")
            raise AblateError(f"timm's {name!r} cannot be written: {key} is {wanted} there, {shape} here")
    cost = layout.cost(_RESOLUTION)
    expected = TimmModel(name, name).cost(_RESOLUTION)
    if (cost.params, cost.macs) != (expected.params, expected.macs):
        raise AblateError(
            f"timm's {name!r} cannot be written: {expected.params:,} parameters and {expected.macs:,} MACs "
            f"there, {cost.params:,} and {cost.macs:,} here"
        )
