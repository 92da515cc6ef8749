"""A drawing of a layout, in characters and as SVG, from what it shows. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

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


def text_diagram(drawn: Sequence[Column]) -> str:
    """The drawing in characters: a line a box, with what it reaches."""
    lines = []
    longest = max(len(box.text) for column in drawn for box in column.boxes)
    for column in drawn:
        lines.append(f"{column.name}  [{column.size}]")
        for box in column.boxes:
            count = f"x {box.count}" if box.count > 1 else ""
            lines.append(
                f"  {'|' if box.reach else '>'} {box.text:<{longest}}  {count:<5} {box.reach}".rstrip()
            )
    return "\n".join(lines)


def svg_diagram(name: str, drawn: Sequence[Column]) -> str:
    """The drawing as SVG: a column a stage, a box a run of equal blocks, coloured by their reach."""
    height = _HEADER + _ROW * max(len(column.boxes) for column in drawn) + 2 * _MARGIN + _ROW
    width = _COLUMN * len(drawn) + _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" fill="currentColor" role="img">',
        f"<title>{escape(name)}</title>",
    ]
    for index, column in enumerate(drawn):
        x = _MARGIN + index * _COLUMN
        out.append(f'<text x="{x}" y="{_MARGIN + 8}" font-weight="bold">{escape(column.name)}</text>')
        out.append(f'<text x="{x}" y="{_MARGIN + 24}" fill-opacity="0.7">{escape(column.size)}</text>')
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
