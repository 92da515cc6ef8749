"""MACs of one image against the resolution, and beside it as a multiple of the baseline's."""

from __future__ import annotations

from dataclasses import replace

from ablate.measurements.register import quantity
from ablate.report import style
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
    figure_, (panel, *others) = style.axes(2 if base else 1)
    curves(panel, results, lines)
    finish(panel, lines.values(), macs.title)
    known = marks(crossings(results))
    mark(panel, "macs", known, macs.scale)
    if base:
        ratios = relative(lines, base)
        curves(others[0], results, ratios)
        finish(others[0], ratios.values(), f"MACs / {short(results.baseline)}")
        caption += " Right: as a multiple of the baseline's."
    layout_legend(figure_, results, lines)
    return Drawn("macs", caption + not_drawn(results, "complexity") + marked({"macs"}, known), figure_)


def relative(lines: dict[str, Line], base: Line) -> dict[str, Line]:
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
