"""A layout as a flat chain of parts: `parts` lists them on paper, `build_part` makes one of them.

Because model and count are made of the same links, the sum over the parts is the cost of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    (Huang et al. 2016).
    """
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


def _build(kind: Literal["stem", "ffn", "norm"], call: BlockCall, **supplied: Any) -> nn.Module:
    return blocks.get(call.name, kind).build(supplied, call.kwargs)


def _build_norm(part: Part, dim: int) -> nn.Module:
    assert part.norm is not None
    return _build("norm", part.norm, dim=dim)


def stride_of(part: Part) -> int:
    """By what a stem or a downsampling divides the sides of its map."""
    argument = blocks.get(part.call.name, "stem").arguments.get("stride")
    return int(part.call.kwargs.get("stride", argument.default if argument else 1))  # type: ignore[arg-type]
