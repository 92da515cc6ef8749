"""A layout as a flat chain of parts: `parts` lists them on paper, `build_part` makes one of them.

Because model and count are made of the same links, the sum over the parts is the cost of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

import blocks
from ablate.errors import AblateError
from ablate.layout.arguments import without_width
from ablate.layout.call import BlockCall
from ablate.layout.check import piece_sizes
from ablate.layout.layout import Layout
from ablate.layout.recipe import Recipe
from ablate.model.initialise import own_start
from blocks.metaformer import MetaFormerBlock, MetaNeXtBlock

PartKind = Literal["stem", "downsample", "block", "head"]
_NO_POSITION = BlockCall("none")


@dataclass(frozen=True)
class Part:
    """One link of the chain: everything that its cost depends on, except the size of its input.

    `in_dim` and `dim` are the channels that enter and leave; for a head `dim` is the number of classes. Only
    the piece that gets the image is a `stem`. `size` is that of the map, for blocks whose parameters depend
    on it; `recipe` is None for whole blocks.
    """

    kind: PartKind
    call: BlockCall
    in_dim: int
    dim: int
    heads: int = 1
    recipe: Recipe | None = None
    drop_path: float = 0.0
    size: tuple[int, int] | None = None


def parts(
    layout: Layout,
    channels: int = 3,
    classes: int = 1000,
    resolution: int | tuple[int, int] | None = None,
) -> tuple[tuple[str, Part], ...]:
    """The chain of a layout, in order: `(name, part)` with names such as `stage2.block1`.

    The stochastic depth rate grows linearly from 0 at the first block to `layout.drop_path` at the last one
    (Huang et al. 2016). `resolution` is asked for by blocks that are made for one size: 224 pixels unless
    given. Raises `AblateError` where a stem or head does not say its widths.
    """
    total = sum(len(stage.blocks) for stage in layout.stages)
    chain: list[tuple[str, Part]] = []
    dim, index = channels, 0
    for number, stage in enumerate(layout.stages, start=1):
        prefix = "stem" if number == 1 else f"stage{number}.downsample"
        for name, call, in_dim, out in _pieces(prefix, stage.before, dim, stage.width, layout.name):
            chain.append((name, Part("downsample" if chain else "stem", call, in_dim, out)))
        dim = stage.width
        for position, call in enumerate(stage.blocks, start=1):
            rate = layout.drop_path * index / max(total - 1, 1)
            recipe = _recipe(stage.recipe.of(call), call, first=position == 1)
            part = Part("block", BlockCall(call.name, call.args), dim, dim, stage.heads, recipe, rate)
            chain.append((f"stage{number}.block{position}", part))
            index += 1
    *before, head = layout.head
    widths = [call.kwargs.get("width") for call in before]
    for piece, (name, call, in_dim, out) in enumerate(
        _pieces("head", (*before, head), dim, classes, layout.name, head=True)
    ):
        kind: PartKind = "head" if piece == len(widths) else "downsample"
        recipe = layout.stages[-1].recipe if kind == "head" else None
        chain.append((name, Part(kind, call, in_dim, out, recipe=recipe)))
    return tuple(_with_sizes(chain, resolution))


def _pieces(
    prefix: str, calls: Sequence[BlockCall], in_dim: int, dim: int, layout: str, *, head: bool = False
) -> Iterator[tuple[str, BlockCall, int, int]]:
    """Name, call, channels in and out of each piece of a stem, a downsampling or a head."""
    for index, (call, (_, inside, outside)) in enumerate(
        zip(calls, piece_sizes(calls, in_dim, dim, head), strict=True), start=1
    ):
        if inside is None or outside is None:
            raise AblateError(f"{layout}: {prefix}: {call} needs a width")
        last = index == len(calls)
        yield prefix if len(calls) == 1 or (head and last) else f"{prefix}.{index}", call, inside, outside


def _recipe(recipe: Recipe, call: BlockCall, *, first: bool) -> Recipe | None:
    """The recipe of one block; None for a whole block. Some positions are told once a stage."""
    if blocks.get(call.name, "mixer", "block").kind == "block":
        return None
    once = getattr(blocks.get(recipe.position.name, "position").cls, "once", False)
    return replace(recipe, position=_NO_POSITION) if once and not first else recipe


def _with_sizes(
    chain: Sequence[tuple[str, Part]], resolution: int | tuple[int, int] | None
) -> Iterator[tuple[str, Part]]:
    """The chain with the sizes of the maps at the blocks that ask for them."""
    if not any(_asks_for_size(part) for _, part in chain):
        yield from chain
        return
    for (name, part), size in zip(chain, map_sizes(chain, resolution), strict=True):
        yield name, replace(part, size=size) if _asks_for_size(part) else part


def map_sizes(
    chain: Sequence[tuple[str, Part]], resolution: int | tuple[int, int] | None = None
) -> Iterator[tuple[int, int]]:
    """The size (H, W) of the map that leaves each link, of an image of 224 pixels unless given.

    Asked of the stems and downsamplings themselves, on `meta`.
    """
    side = 224 if resolution is None else resolution
    size = (side, side) if isinstance(side, int) else side
    for _, part in chain:
        if part.kind in ("stem", "downsample"):
            with torch.device("meta"):
                x = build_part(part)(torch.empty(1, part.in_dim, *size))
            size = (x.shape[2], x.shape[3])
        yield size


def _asks_for_size(part: Part) -> bool:
    return part.kind == "block" and "resolution" in blocks.get(part.call.name, "mixer", "block").supplied


def build_part(part: Part) -> nn.Module:
    """The module of one part, `(B, in_dim, H, W) -> (B, dim, H', W')` (a head gives `(B, classes)`).

    Its weights start as `ablate.model.initialise` says. Raises `ValueError` when a block refuses its size or
    its arguments.
    """
    with own_start():
        if part.kind in ("stem", "downsample"):
            return _build("stem", without_width(part.call), in_chans=part.in_dim, dim=part.dim)
        if part.kind == "head":
            return _build("head", _head(part), dim=part.in_dim, classes=part.dim)
        return _build_block(part)


def _build_block(part: Part) -> nn.Module:
    entry = blocks.get(part.call.name, "mixer", "block")
    supplied = {
        "dim": part.dim,
        "num_heads": part.heads,
        "drop_path": part.drop_path,
        "resolution": part.size,
    }
    module = entry.build(supplied, part.call.kwargs)
    recipe = part.recipe
    if recipe is None:
        return module

    def norm() -> nn.Module | None:
        return _build("norm", recipe.norm, dim=part.dim)

    hidden = max(1, round(part.dim * recipe.mlp_ratio))
    no_ffn = recipe.ffn.name == "none"
    ffn = None if no_ffn else _build("ffn", recipe.ffn, dim=part.dim, hidden=hidden)
    around: dict[str, Any] = {
        "dim": part.dim,
        "drop_path": part.drop_path,
        "layer_scale": recipe.layer_scale,
        "res_scale": recipe.res_scale,
        "position": _build("position", recipe.position, dim=part.dim),
    }
    if recipe.recipe == "metanext":
        return MetaNeXtBlock(module, ffn or nn.Identity(), norm() or nn.Identity(), **around)
    return MetaFormerBlock(
        module,
        ffn,
        norm() or nn.Identity(),
        None if no_ffn else norm(),
        norm_place=recipe.norm_place,  # type: ignore[arg-type]  # the language has checked the word
        **around,
    )


def _head(part: Part) -> BlockCall:
    """The head's call; a head that has a norm takes the layout's, unless it says another."""
    if part.recipe is None or "norm" in part.call.kwargs:
        return part.call
    if "norm" not in blocks.get(part.call.name, "head").arguments:
        return part.call
    return BlockCall(part.call.name, (*part.call.args, ("norm", part.recipe.norm)))


def stride_of(part: Part) -> int:
    """By what a stem or a downsampling divides the sides of its map."""
    argument = blocks.get(part.call.name, "stem").arguments.get("stride")
    return int(part.call.kwargs.get("stride", argument.default if argument else 1))


def _build(kind: blocks.Kind, call: BlockCall, **supplied: Any) -> nn.Module:
    return blocks.get(call.name, kind).build(supplied, call.kwargs)
