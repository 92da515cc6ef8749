"""Latency per batch against the resolution with its 95 % interval, a panel for each other condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.measurements.register import quantity
from ablate.report import overlap, style
from ablate.report.crossings import TIMING, Crossing, crossings, marks
from ablate.report.drawing import (
    Drawn,
    curves,
    dot_figure,
    finish,
    layout_legend,
    lines_of,
    mark,
    marked,
    not_drawn,
)
from ablate.report.figures.macs import close_up, short
from ablate.report.register import figure
from ablate.report.results import Results, describe, select
from ablate.report.rooflines import Rooflines
from ablate.report.style import INK
from ablate.run.rows import AnyRecord

_SHOWN = {"mode", "precision", "batch"}
_ROOFLINE: dict[str, Any] = {"linestyle": ":", "linewidth": 0.9, "marker": ""}


@figure("latency", order=30)
def latency_figure(results: Results) -> Drawn | None:
    """With one condition a second panel shows the ratio to the baseline; dots with one resolution."""
    records = results.done("throughput")
    lines = lines_of(results, records, quantity("latency"))
    if not lines:
        return None
    conditions = [
        condition for condition in results.conditions("throughput", TIMING) if select(records, **condition)
    ]
    known = marks(crossings(results))
    caption = "Latency of one batch; bars are the 95 % interval between fresh processes."
    ratios = lines_of(results, records, quantity("latency_ratio"))
    if len(conditions) == 1 and ratios:
        title = _title(results, conditions[0])
        caption += f" Right: as a multiple of the baseline's, compared within rounds. All: {title}."
        sides = {side for line in lines.values() for side in line.points}
        if len(sides) == 1:
            columns = [(quantity("latency"), lines), (quantity("latency_ratio"), ratios)]
            drawn = dot_figure(results, columns, next(iter(sides)))
            return Drawn("latency", caption + not_drawn(results, "throughput"), drawn)
        crowd = overlap.crowd({name: line.points for name, line in ratios.items()}, near=1.25)
        figure_, (panel, beside, *more) = style.axes(2 + bool(crowd), height=2.9 if crowd else 3.1)
        dotted = _panel(panel, results, records, known, "")
        curves(beside, results, ratios)
        finish(beside, ratios.values(), f"Latency / {short(results.baseline)}")
        if more:
            caption = caption.replace("Right: as", "Middle: as") + close_up(
                more[0], results, ratios, crowd, "Latency"
            )
    else:
        figure_, dotted = _by_condition(results, records, conditions, known)
    extra = [Line2D([], [], color=INK, label="roofline", **_ROOFLINE)] if dotted else []
    caption += " Dotted: roofline time, the least that the machine's peak allows." if dotted else ""
    layout_legend(figure_, results, lines, extra=extra)
    caption += not_drawn(results, "throughput") + marked({"latency"}, known)
    return Drawn("latency", caption, figure_)


def _by_condition(
    results: Results,
    records: list[AnyRecord],
    conditions: list[dict[str, Any]],
    known: list[Crossing],
) -> tuple[Figure, bool]:
    figure_, panels = style.axes(len(conditions))
    varying, dotted = results.varying("throughput"), False
    for panel, condition in zip(panels, conditions, strict=True):
        differing = describe({name: value for name, value in condition.items() if name in varying})
        dotted |= _panel(panel, results, select(records, **condition), known, differing)
        panel.set_title(_title(results, condition))
    return figure_, dotted


def _panel(
    panel: Axes, results: Results, records: list[AnyRecord], known: list[Crossing], condition: str
) -> bool:
    """One panel of latencies; whether rooflines were drawn in it."""
    latency = quantity("latency")
    lines = lines_of(results, records, latency)
    curves(panel, results, lines)
    finish(panel, lines.values(), latency.title)
    dotted = _rooflines(panel, results, records)
    mark(panel, "latency", known, latency.scale, condition)
    return dotted


def _title(results: Results, condition: Mapping[str, Any]) -> str:
    shown = _SHOWN | results.varying("throughput")
    return describe({name: value for name, value in condition.items() if name in shown})


def _rooflines(panel: Axes, results: Results, records: list[AnyRecord]) -> bool:
    """The roofline time of every layout's timed batch, thin and dotted; whether there was any."""
    rooflines, looks, drawn = Rooflines(results), style.looks(results.texts), False
    for name in results.layouts:
        own = sorted(select(records, layout=name), key=lambda record: int(record.at("resolution")))
        points = [(record.at("resolution"), rooflines.of(record)) for record in own]
        known = [point for point in points if point[1] > 0]
        if known:
            panel.plot(*zip(*known, strict=True), color=looks[name].color, **_ROOFLINE)
            drawn = True
    return drawn
