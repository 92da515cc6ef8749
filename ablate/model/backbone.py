"""Layout -> `nn.Module`: the parts of the chain, run in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ablate.layout.layout import Layout
from ablate.model.chain import build_part, parts, stride_of


class Backbone(nn.Module):
    """A built layout: image `(B, channels, H, W)` -> logits `(B, classes)`, or a list of feature maps.

    `feature_info` has one dictionary a stage: `num_chs` (channels), `reduction` (stride against the image)
    and `module`, as timm's models have it.
    """

    def __init__(self, layout: Layout, classes: int, channels: int, features_only: bool = False):
        super().__init__()
        self.features_only = features_only
        chain = dict(parts(layout, channels, classes))
        self.stem = build_part(chain["stem"])
        self.stages = nn.ModuleList()
        for number, stage in enumerate(layout.stages, start=1):
            modules: dict[str, nn.Module] = {}
            if number > 1:
                modules["downsample"] = build_part(chain[f"stage{number}.downsample"])
            for position in range(1, len(stage.blocks) + 1):
                modules[f"block{position}"] = build_part(chain[f"stage{number}.block{position}"])
            self.stages.append(nn.ModuleDict(modules))
        self.head = None if features_only else build_part(chain["head"])
        self.feature_info: list[dict[str, Any]] = []
        reduction = stride_of(chain["stem"])
        for number, stage in enumerate(layout.stages, start=1):
            if number > 1:
                reduction *= stride_of(chain[f"stage{number}.downsample"])
            info = {"num_chs": stage.width, "reduction": reduction, "module": f"stages.{number - 1}"}
            self.feature_info.append(info)

    def chain(self) -> Iterator[nn.Module]:
        """The parts in the order they run."""
        yield self.stem
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)
            yield from stage.values()
        if self.head is not None:
            yield self.head

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        if self.features_only:
            return self.features(x)
        # One flat loop: while a part runs, nothing but its own input is held here, so that peak memory is
        # the sum and maximum over the parts.
        for part in self.chain():
            x = part(x)
        return x

    def features(self, x: Tensor) -> list[Tensor]:
        """The output of each stage, `(B, width, H / reduction, W / reduction)`, for dense tasks."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)
            for part in stage.values():
                x = part(x)
            maps.append(x)
        return maps


def build(
    layout: Layout, classes: int = 1000, channels: int = 3, *, features_only: bool = False
) -> nn.Module:
    """Build a layout with fresh weights on the default device (`with torch.device("meta")` for none at all).

    Linear and pointwise layers start from a truncated normal distribution of standard deviation 0.02, other
    convolutions from a normal one of sqrt(2 / fan_out), biases from zero, as in PVTv2 (Wang et al. 2022).
    Raises `ValueError` when a block refuses its size.
    """
    backbone = Backbone(layout, classes, channels, features_only)
    backbone.apply(_initialise)
    return backbone.to(memory_format=torch.channels_last)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
        # per group, so that a depthwise convolution keeps the scale of its input
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def total_stride(layout: Layout) -> int:
    """Pixels of the image, along one side, per position in the last stage."""
    with torch.device("meta"):
        return int(Backbone(layout, 1, 3, features_only=True).feature_info[-1]["reduction"])
