"""MACs of one image against the resolution, and beside it as a multiple of the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from ablate.measurements.register import quantity
from ablate.report import overlap, style
from ablate.report.crossings import crossings, marks
from ablate.report.drawing import (
    Drawn,
    Line,
    curves,
    dot_figure,
    finish,
    layout_legend,
    lines_of,
    mark,
    marked,
    not_drawn,
)
from ablate.report.register import figure
from ablate.report.results import Results


@figure("macs", order=10)
def macs_figure(results: Results) -> Drawn | None:
    """MACs of all layouts; dots with one resolution."""
    macs = quantity("macs")
    lines = lines_of(results, results.done("complexity"), macs)
    if not lines:
        return None
    caption = "MACs of one image, counted exactly."
    sides = {side for line in lines.values() for side in line.points}
    if len(sides) == 1:
        drawn = dot_figure(results, [(macs, lines)], next(iter(sides)))
        return Drawn("macs", caption + not_drawn(results, "complexity"), drawn)
    base = lines.get(results.baseline or "")
    crowd = overlap.crowd({name: line.points for name, line in lines.items()})
    figure_, (panel, *others) = style.axes((2 if base else 1) + bool(crowd), height=2.9 if crowd else 3.1)
    curves(panel, results, lines)
    finish(panel, lines.values(), macs.title)
    known = marks(crossings(results))
    mark(panel, "macs", known, macs.scale)
    if base:
        ratios = relative(lines, base)
        curves(others[0], results, ratios)
        finish(others[0], ratios.values(), f"MACs / {short(results.baseline)}")
        caption += f" {_place(1, crowd)}: as a multiple of the baseline's."
    if crowd:
        caption += close_up(others[-1], results, lines, crowd, "MACs")
    layout_legend(figure_, results, lines)
    return Drawn("macs", caption + not_drawn(results, "complexity") + marked({"macs"}, known), figure_)


def _place(index: int, crowd: list[str]) -> str:
    return "Middle" if crowd and index == 1 else "Right"


def close_up(
    panel: Axes, results: Results, lines: Mapping[str, Line], crowd: Sequence[str], label: str
) -> str:
    """A panel of the layouts whose curves lie on each other, as multiples of the first of them, on an even
    axis; returns the sentence that says so."""
    first = crowd[0]
    near = relative({name: lines[name] for name in crowd}, lines[first])
    curves(panel, results, near)
    finish(panel, near.values(), f"{label} / {short(first)}")
    panel.set_yscale("linear")
    panel.yaxis.set_major_locator(MaxNLocator(6))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%.3g"))
    return f" Last: those that lie on each other, as multiples of {first}."


def relative(lines: Mapping[str, Line], base: Line) -> dict[str, Line]:
    """Every line as a multiple of another one, where both are known."""
    ratios = {
        name: Line(
            {side: line.points[side] / base.points[side] for side in line.points if side in base.points}
        )
        for name, line in lines.items()
    }
    return {name: replace(line) for name, line in ratios.items() if line.points}


def short(baseline: str | None) -> str:
    """The baseline's name where an axis has room for it."""
    return baseline if baseline and len(baseline) <= 24 else "baseline"
