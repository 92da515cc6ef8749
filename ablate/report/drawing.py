"""What all figures are drawn with: curves over resolutions, marks of crossovers, legends, captions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.quantities import Quantity
from ablate.report import overlap, style
from ablate.report.crossings import Crossing
from ablate.report.results import Results, curve
from ablate.report.style import INK, PAPER, Look
from ablate.run.rows import AnyRecord


@dataclass(frozen=True)
class Drawn:
    """A figure with the name of its files and its caption."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Line:
    """A quantity of one layout in its displayed unit by resolution, with the parts of its error bars."""

    points: dict[int, float]
    below: tuple[float, ...] = ()
    above: tuple[float, ...] = ()


def lines_of(results: Results, records: Sequence[AnyRecord], wanted: Quantity) -> dict[str, Line]:
    """The line of every layout that has one."""
    lines = {}
    by_layout: dict[str, list[AnyRecord]] = {}
    for record in records:
        by_layout.setdefault(record.layout, []).append(record)
    for name in results.layouts:
        own = by_layout.get(name, [])
        points = curve(own, wanted)
        if points:
            lines[name] = Line(points, *_errors(own, wanted, points))
    return lines


def _errors(
    records: Sequence[AnyRecord], wanted: Quantity, points: Mapping[int, float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not wanted.low:
        return (), ()
    ends = {int(record.at("resolution")): wanted.interval(record.values) for record in records}
    below = tuple(max(0.0, points[side] - ends[side][0] / wanted.scale) for side in points)
    above = tuple(max(0.0, ends[side][1] / wanted.scale - points[side]) for side in points)
    return below, above


def curves(panel: Axes, results: Results, lines: Mapping[str, Line]) -> None:
    """Draw a quantity of all layouts over the resolution, with their error bars."""
    looks = style.looks(results.texts)
    widths = overlap.widths({name: line.points for name, line in lines.items()})
    for name, line in lines.items():
        draw(panel, line, looks[name], widths[name])


def draw(panel: Axes, line: Line, look: Look, width: float) -> None:
    """Draw one line."""
    spread: Any = np.nan_to_num(np.vstack([line.below, line.above])) if line.below else None
    panel.errorbar(
        list(line.points),
        list(line.points.values()),
        yerr=spread,
        color=look.color,
        linestyle=look.line,
        linewidth=width,
        marker=look.marker,
        markersize=style.MARKER + 0.9 * (width - style.LINE) if look.marker else 0,
        markerfacecolor=face(look),
        elinewidth=0.9,
    )


def face(look: Look) -> str:
    """Round markers are filled, the others open, so that the rules differ in print without colour too."""
    return look.color if look.marker == "o" else PAPER


def finish(panel: Axes, lines: Iterable[Line], label: str) -> None:
    """Axes of a panel of curves: both logarithmic, ticks at the resolutions."""
    shown = list(lines)
    values = [value for line in shown for value in line.points.values() if value > 0]
    style.log_axis(panel, "y", values or [1.0])
    style.resolution_axis(panel, [float(side) for line in shown for side in line.points])
    panel.set_ylabel(label)


def dot_figure(
    results: Results, columns: Sequence[tuple[Quantity, Mapping[str, Line]]], resolution: int
) -> Figure:
    """One resolution only: a line of dots, a row per layout, a panel for each quantity."""
    looks = style.looks(results.texts)
    shown = [name for name in results.layouts if any(name in lines for _, lines in columns)]
    figure, panels = style.axes(len(columns), height=1.0 + 0.24 * len(shown), share_y=True)
    for panel, (wanted, lines) in zip(panels, columns, strict=True):
        for place, name in enumerate(shown):
            line = lines.get(name)
            if line is None:
                continue
            spread = None if not line.below else [[line.below[0]], [line.above[0]]]
            panel.errorbar(
                line.points[resolution],
                place,
                xerr=np.nan_to_num(spread) if spread else None,
                color=looks[name].color,
                marker=looks[name].marker,
                markerfacecolor=face(looks[name]),
            )
        panel.set_xlabel(f"{wanted.title} at {resolution} px")
        style.name_rows(panel, shown)
        panel.margins(x=0.12)
        if wanted.unit:  # an amount starts at nothing; a ratio does not
            panel.set_xlim(left=0)
        panel.set_ylim(len(shown) - 0.4, -0.6)
    return figure


def layout_legend(
    figure: Figure,
    results: Results,
    lines: Mapping[str, Line],
    *,
    extra: Sequence[Line2D] = (),
    with_lines: bool = True,
) -> None:
    """Layouts in the order in which their curves end, top to bottom."""
    looks = style.looks(results.texts)

    def end(name: str) -> tuple[int, float]:
        last = max(lines[name].points)
        return (-last, -lines[name].points[last])

    order = sorted(lines, key=end)
    handles = [*(handle(looks[name], line=with_lines) for name in order), *extra]
    style.legend(figure, handles, [*order, *(str(shown.get_label()) for shown in extra)])


def handle(look: Look, *, line: bool, marker: bool = True) -> Line2D:
    """A legend's entry for a layout: with a line, a marker, or both, as it is drawn."""
    return Line2D(
        [],
        [],
        color=look.color,
        linestyle=look.line if line else "",
        marker=look.marker if marker else "",
        markerfacecolor=face(look),
    )


def mark(panel: Axes, name: str, crossings: Sequence[Crossing], scale: float, condition: str = "") -> None:
    """Mark where one layout becomes cheaper than another, inside the panel's range."""
    low, high = panel.get_xlim()
    index = 0
    for crossing in crossings:
        at, value = crossing.resolution, crossing.value
        if crossing.quantity != name or crossing.condition != condition or at is None or value is None:
            continue
        if not low <= at <= high:
            continue
        if crossing.low is not None and crossing.high is not None:
            ends, height = (crossing.low, crossing.high), value / scale
            panel.plot(ends, (height, height), "-|", color=INK, linewidth=0.9, markersize=5, zorder=5)
        place = (at, value / scale)
        panel.plot(*place, marker="o", markersize=8, markerfacecolor="none", markeredgecolor=INK, zorder=5)
        # neighbours' labels do not meet; where there is room first: math curves lie above the fused ones
        side = 1 if (index % 2 == 0) == name.endswith("math") else -1
        index += 1
        panel.annotate(
            f"{at:.0f}",
            place,
            xytext=(-4 * side, 8 * side),
            textcoords="offset points",
            ha="right" if side > 0 else "left",
            va="center",
            fontsize=7,
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )


def not_drawn(results: Results, kind: str) -> str:
    """A sentence on the points that the figure lacks because their cells have no number."""
    missing = [record for record in results.planned(kind) if record.state != "done"]
    places = dict.fromkeys(
        f"{record.layout} at {record.at('resolution')} px ({record.status})" for record in missing
    )
    if not places:
        return ""
    shown = list(places)[:12]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    return f" Not drawn: {', '.join(shown)}{more}."


def marked(names: Collection[str], crossings: Sequence[Crossing]) -> str:
    """A sentence on the crossings that a figure of these quantities marks."""
    own = [crossing for crossing in crossings if crossing.quantity in names]
    if not own:
        return ""
    parts = [
        f"{crossing.cheaper} needs less than {crossing.dearer} from {crossing.resolution:.0f} px"
        f"{_kernel(crossing.quantity)}"
        for crossing in own
    ]
    bars = ", with the interval as a bar" if any(crossing.low is not None for crossing in own) else ""
    return f" Circles{bars}: {'; '.join(parts)}."


def _kernel(quantity: str) -> str:
    kernel = quantity.rpartition("_")[2]
    return f" ({kernel} kernel)" if kernel in ("fused", "math") else ""
