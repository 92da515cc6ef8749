"""Layout -> `nn.Module`: a backbone is one flat chain of parts, and each part is what the cost room counts.

`parts` lists the links of the chain on paper, `build_part` makes one of them, `Backbone` runs them in order.
Because model and count are made of the same links, the sum over the parts is the cost of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import blocks
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from blocks.metaformer import MetaFormerBlock

PartKind = Literal["stem", "downsample", "block", "head"]


@dataclass(frozen=True)
class Part:
    """One link of the chain: everything that its cost depends on, except the size of its input.

    `in_dim` and `dim` are the channels that enter and leave; for a head `dim` is the number of classes.
    """

    kind: PartKind
    call: BlockCall
    in_dim: int
    dim: int
    heads: int = 1
    mlp_ratio: float = 0.0
    ffn: BlockCall | None = None
    norm: BlockCall | None = None
    drop_path: float = 0.0


class Head(nn.Module):
    """Classifier: norm, global average pooling, linear. `(B, C, H, W) -> (B, classes)`."""

    def __init__(self, dim: int, classes: int, norm: nn.Module):
        super().__init__()
        self.norm = norm
        self.fc = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.norm(x).mean((2, 3)))
        return logits


def parts(layout: Layout, channels: int = 3, classes: int = 1000) -> tuple[tuple[str, Part], ...]:
    """The chain of a layout, in order: `(name, part)` with names such as `stage2.block1`.

    The stochastic depth rate grows linearly from 0 at the first block to `layout.drop_path` at the last one
    (Huang et al. 2016). Raises `ValueError` for a timm layout, which is not made of parts.
    """
    if layout.timm is not None:
        raise ValueError(f"{layout.name} is a timm model; it has no parts")
    total = sum(len(stage.blocks) for stage in layout.stages)
    chain: list[tuple[str, Part]] = []
    dim, index = channels, 0
    for number, stage in enumerate(layout.stages, start=1):
        if number == 1:
            chain.append(("stem", Part("stem", layout.stem, dim, stage.width)))
        else:
            name = f"stage{number}.downsample"
            chain.append((name, Part("downsample", layout.downsample, dim, stage.width)))
        dim = stage.width
        for position, call in enumerate(stage.blocks, start=1):
            rate = layout.drop_path * index / max(total - 1, 1)
            part = Part("block", call, dim, dim, stage.heads, stage.mlp_ratio, layout.ffn, layout.norm, rate)
            chain.append((f"stage{number}.block{position}", part))
            index += 1
    chain.append(("head", Part("head", BlockCall("head"), dim, classes, norm=layout.norm)))
    return tuple(chain)


def build_part(part: Part) -> nn.Module:
    """The module of one part, `(B, in_dim, H, W) -> (B, dim, H', W')` (a head gives `(B, classes)`).

    Raises `ValueError` when a block refuses its size or its arguments.
    """
    if part.kind in ("stem", "downsample"):
        return _build("stem", part.call, in_chans=part.in_dim, dim=part.dim)
    if part.kind == "head":
        return Head(part.in_dim, part.dim, _build_norm(part, part.in_dim))
    entry = blocks.get(part.call.name, "mixer", "block")
    supplied = {"dim": part.dim, "num_heads": part.heads, "drop_path": part.drop_path}
    module = entry.build(supplied, part.call.kwargs)
    if entry.kind == "block":
        return module
    assert part.ffn is not None
    ffn = _build("ffn", part.ffn, dim=part.dim, hidden=max(1, round(part.dim * part.mlp_ratio)))
    norm1, norm2 = _build_norm(part, part.dim), _build_norm(part, part.dim)
    return MetaFormerBlock(module, ffn, norm1, norm2, drop_path=part.drop_path)


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
        reduction = _stride(chain["stem"])
        for number, stage in enumerate(layout.stages, start=1):
            if number > 1:
                reduction *= _stride(chain[f"stage{number}.downsample"])
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
    convolutions from a normal one of sqrt(2 / fan_out), biases from zero, as in PVTv2 (Wang et al. 2022);
    timm models start as timm starts them.
    Raises `ValueError` when a block refuses its size, and what timm raises for its models.
    """
    if layout.timm is not None:
        import timm

        options: dict[str, Any] = {"features_only": True} if features_only else {"num_classes": classes}
        model: nn.Module = timm.create_model(layout.timm, pretrained=False, in_chans=channels, **options)
        return model
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


def _build(kind: Literal["stem", "ffn", "norm"], call: BlockCall, **supplied: Any) -> nn.Module:
    return blocks.get(call.name, kind).build(supplied, call.kwargs)


def _build_norm(part: Part, dim: int) -> nn.Module:
    assert part.norm is not None
    return _build("norm", part.norm, dim=dim)


def _stride(part: Part) -> int:
    argument = blocks.get(part.call.name, "stem").arguments.get("stride")
    return int(part.call.kwargs.get("stride", argument.default if argument else 1))  # type: ignore[arg-type]
