"""A drawing of a layout: stages, blocks, widths, resolutions, and how far each block reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import groupby

import torch

import blocks
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.model.chain import build_part, parts

_SIDE = 33  # of the map on which reach is tried: longer than every window there is
_ROW, _COLUMN, _MARGIN, _HEADER = 26, 210, 16, 44
_COLORS = {"global": "#4c72b0", "local": "#55a868", "none": "#8c8c8c", "piece": "#c8c8c8"}


@dataclass(frozen=True)
class Box:
    """Parts that are alike and follow one another: what they are, how many, and their reach (`global`,
    `7 x 7`, `1 x 1`; empty for pieces of stems and heads)."""

    text: str
    count: int
    reach: str

    @property
    def kind(self) -> str:
        """`global`, `local`, `none` (a position by itself) or `piece`."""
        if not self.reach:
            return "piece"
        return self.reach if self.reach == "global" else "none" if self.reach == "1 x 1" else "local"


@dataclass(frozen=True)
class Column:
    """A stage, the stem with it, or the head: its name, the size of its maps, and its boxes."""

    name: str
    size: str
    boxes: tuple[Box, ...]


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
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
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
        shown = found.setdefault(group, ("", []))[1]
        shown.append((text, far))
        found[group] = (" x ".join(map(str, size)), shown)
    return [Column(name, shown, tuple(_boxes(items))) for name, (shown, items) in found.items()]


def _boxes(items: Sequence[tuple[str, str]]) -> Iterator[Box]:
    for (text, far), group in groupby(items):
        yield Box(text, len(list(group)), far)


def text_diagram(layout: Layout, resolution: int | tuple[int, int] = 224, channels: int = 3) -> str:
    """The drawing in characters: a line a box, with what it reaches."""
    lines = []
    drawn = columns(layout, resolution, channels)
    longest = max(len(box.text) for column in drawn for box in column.boxes)
    for column in drawn:
        lines.append(f"{column.name}  [{column.size}]")
        for box in column.boxes:
            count = f"x {box.count}" if box.count > 1 else ""
            lines.append(
                f"  {'|' if box.reach else '>'} {box.text:<{longest}}  {count:<5} {box.reach}".rstrip()
            )
    return "\n".join(lines)


def svg_diagram(layout: Layout, resolution: int | tuple[int, int] = 224, channels: int = 3) -> str:
    """The drawing as SVG: a column a stage, a box a run of equal blocks, coloured by their reach."""
    drawn = columns(layout, resolution, channels)
    height = _HEADER + _ROW * max(len(column.boxes) for column in drawn) + 2 * _MARGIN + _ROW
    width = _COLUMN * len(drawn) + _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(layout.name)}</title>",
    ]
    for index, column in enumerate(drawn):
        x = _MARGIN + index * _COLUMN
        out.append(f'<text x="{x}" y="{_MARGIN + 8}" font-weight="bold">{escape(column.name)}</text>')
        out.append(f'<text x="{x}" y="{_MARGIN + 24}" fill="#555">{escape(column.size)}</text>')
        for row, box in enumerate(column.boxes):
            out.append(_svg_box(box, x, _HEADER + row * _ROW))
    for index, (kind, label) in enumerate(
        (("global", "global"), ("local", "local"), ("none", "position alone"))
    ):
        x = _MARGIN + index * 110
        out.append(f'<rect x="{x}" y="{height - 22}" width="10" height="10" fill="{_COLORS[kind]}"/>')
        out.append(f'<text x="{x + 15}" y="{height - 13}">{label}</text>')
    return "\n".join([*out, "</svg>", ""])


def _svg_box(box: Box, x: int, y: int) -> str:
    count = f" x {box.count}" if box.count > 1 else ""
    room = 30 - len(count)
    short = box.text if len(box.text) <= room else box.text[: room - 1] + "…"
    full = f"{box.text}{count}" + (f", reach {box.reach}" if box.reach else "")
    color, ink = _COLORS[box.kind], "#000" if box.kind == "piece" else "#fff"
    box_size = f'width="{_COLUMN - 14}" height="{_ROW - 4}"'
    return (
        f'<g><title>{escape(full)}</title><rect x="{x}" y="{y}" {box_size} rx="3" fill="{color}"/>'
        f'<text x="{x + 6}" y="{y + 15}" fill="{ink}">{escape(short + count)}</text></g>'
    )
