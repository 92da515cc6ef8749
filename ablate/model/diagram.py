"""What a drawing of a layout shows: stages, blocks, sizes, and how far each block reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import torch

import blocks
from ablate.layout.call import BlockCall
from ablate.layout.diagram import Box, Column
from ablate.layout.layout import Layout
from ablate.model.chain import build_part, parts

_SIDE = 33  # of the map on which reach is tried: longer than every window there is


@lru_cache(1024)
def reach(call: BlockCall, heads: int = 2) -> str:
    """How far a block sees: the part of a 33 x 33 map on which its central output depends.

    Measured by a gradient, of the mixer alone or of the whole block, with 8 channels a head. `global` when it
    depends on every position.
    """
    entry = blocks.get(call.name, "mixer", "block")
    dim = 8 * max(heads, 2)
    supplied = {"dim": dim, "num_heads": max(heads, 2), "drop_path": 0.0, "resolution": (_SIDE, _SIDE)}
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        module = entry.build(supplied, call.kwargs).double().eval()
        for parameter in module.parameters():  # what starts at zero hides what it multiplies
            parameter.data.normal_(std=0.5, generator=generator)
    x = torch.randn(1, dim, _SIDE, _SIDE, dtype=torch.float64, generator=generator).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., _SIDE // 2, _SIDE // 2].square().sum(), x)
    seen = gradient.abs().sum((0, 1)) > 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    if not len(rows):
        return "1 x 1"
    height, width = (int(places[-1] - places[0]) + 1 for places in (rows, columns))
    return "global" if (height, width) == (_SIDE, _SIDE) else f"{height} x {width}"


def columns(layout: Layout, resolution: int | tuple[int, int] = 224, channels: int = 3) -> list[Column]:
    """The drawing as data, for an image of `resolution` pixels."""
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    size: tuple[int, ...] = (channels, height, width)
    groups: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    stages = {stage: layout.stages[stage - 1] for stage in range(1, len(layout.stages) + 1)}
    for name, part in parts(layout, channels, resolution=resolution):
        group = "stage 1" if name.startswith("stem") else name.partition(".")[0].replace("stage", "stage ")
        if part.kind in ("stem", "downsample"):
            with torch.device("meta"):
                size = tuple(build_part(part)(torch.empty(1, *size)).shape[1:])
        elif part.kind == "head":
            size = (part.dim,)
        text, far = str(part.call), ""
        if part.kind == "block":
            number, index = int(group.split()[1]), int(name.rpartition("block")[2]) - 1
            call = stages[number].blocks[index]
            text, far = str(call), reach(part.call, part.heads)
        shown = groups.setdefault(group, ("", []))[1]
        shown.append((text, far))
        groups[group] = (" x ".join(map(str, size)), shown)
    return [Column(name, shown, tuple(_boxes(items))) for name, (shown, items) in groups.items()]


def _boxes(items: Sequence[tuple[str, str]]) -> Iterator[Box]:
    for (text, far), group in groupby(items):
        yield Box(text, len(list(group)), far)
