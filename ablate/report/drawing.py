"""What all figures are drawn with: curves over resolutions, marks of crossovers, legends, captions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report import style
from ablate.report.metrics import Metric
from ablate.report.results import Results, select
from ablate.report.style import INK, PAPER, Look


@dataclass(frozen=True)
class Crossover:
    """The resolution in pixels from which `cheaper` needs less than `dearer` of a quantity.

    `quantity` is `macs`, `latency` (ms) or a peak in bytes by mode and kernel, such as `inference_fused`;
    `low` and `high` bound the resolution where it is measured, `condition` is the panel it belongs to.
    """

    quantity: str
    cheaper: str
    dearer: str
    resolution: float
    value: float
    low: float | None = None
    high: float | None = None
    condition: str = ""  # the panel's title, where a quantity has several panels


@dataclass(frozen=True)
class Drawn:
    """A figure with the name of its files and its caption."""

    name: str
    caption: str
    figure: Figure


def curves(
    panel: Axes,
    results: Results,
    rows: pd.DataFrame,
    quantity: Metric,
    error: tuple[str, str] | None = None,
) -> None:
    """Draw a quantity of all layouts over the resolution; `error` names the columns of its interval."""
    looks = style.looks(results.texts)
    found = {name: curve_of(select(rows, layout=name), quantity) for name in results.layouts}
    widths = style.widths(found)
    for name, curve in found.items():
        if curve.empty:
            continue
        spread = None
        if error is not None:
            mine = select(rows, layout=name).set_index("resolution").loc[curve.index]
            low, high = (mine[column] / quantity.scale for column in error)
            spread = np.clip(np.vstack([curve - low, high - curve]), 0, None)
        draw(panel, curve, looks[name], widths[name], spread)


def curve_of(rows: pd.DataFrame, quantity: Metric) -> pd.Series[float]:
    """A quantity in its displayed unit by resolution, ascending."""
    curve = rows.set_index("resolution")[quantity.column].astype(float).sort_index() / quantity.scale
    return curve.dropna()


def draw(panel: Axes, curve: pd.Series[float], look: Look, width: float, spread: Any = None) -> None:
    """Draw one curve; `spread` (2, points) holds the lower and upper parts of its error bars."""
    panel.errorbar(
        curve.index,
        curve.to_numpy(),
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


def finish(panel: Axes, rows: pd.DataFrame, quantity: Metric, label: str | None = None) -> None:
    """Axes of a panel of curves: both logarithmic, ticks at the resolutions."""
    values = rows[quantity.column].dropna() / quantity.scale
    style.log_axis(panel, "y", [float(value) for value in values if value > 0] or [1.0])
    style.resolution_axis(panel, [float(value) for value in rows["resolution"]])
    panel.set_ylabel(label or quantity.title)


def dot_figure(
    results: Results,
    rows: pd.DataFrame,
    quantity: Metric,
    error: tuple[str, str] | None = None,
    second: Metric | None = None,
    second_error: tuple[str, str] | None = None,
) -> Figure:
    """One resolution only: a line of dots, a row per layout, and a second quantity beside it."""
    looks = style.looks(results.texts)
    shown = [name for name in results.layouts if name in set(rows["layout"])]
    quantities = [(quantity, error)] + ([(second, second_error)] if second else [])
    figure, panels = style.axes(len(quantities), height=1.0 + 0.24 * len(shown), share_y=True)
    for panel, (each, ends) in zip(panels, quantities, strict=True):
        for place, name in enumerate(shown):
            row = select(rows, layout=name).iloc[0]
            value = float(row[each.column]) / each.scale
            spread = None
            if ends is not None:
                low, high = (float(row[column]) / each.scale for column in ends)
                spread = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
            look = looks[name]
            panel.errorbar(
                value, place, xerr=spread, color=look.color, marker=look.marker, markerfacecolor=face(look)
            )
        resolution = int(rows["resolution"].iloc[0])
        panel.set_xlabel(f"{each.title} at {resolution} px")
        panel.set_yticks(range(len(shown)), shown)
        panel.margins(x=0.12)
        if each.unit:  # an amount starts at nothing; a ratio does not
            panel.set_xlim(left=0)
        panel.set_ylim(len(shown) - 0.4, -0.6)
    return figure


def layout_legend(
    figure: Figure,
    results: Results,
    rows: pd.DataFrame,
    column: str,
    *,
    extra: Sequence[Line2D] = (),
    lines: bool = True,
) -> None:
    """Layouts in the order in which their curves end, top to bottom."""
    looks = style.looks(results.texts)
    ends = rows.sort_values("resolution").groupby("layout", sort=False).last()[column]
    shown = [name for name in results.layouts if name in ends.index]
    order = sorted(
        shown, key=lambda name: (-select(rows, layout=name)["resolution"].max(), -float(ends[name]))
    )
    handles = [*(handle(looks[name], line=lines) for name in order), *extra]
    style.legend(figure, handles, [*order, *(str(handle.get_label()) for handle in extra)])


def handle(look: Look, *, line: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=look.color,
        linestyle=look.line if line else "",
        marker=look.marker,
        markerfacecolor=face(look),
    )


def mark(
    panel: Axes, quantity: str, crossovers: Sequence[Crossover], scale: float, condition: str = ""
) -> None:
    """Mark where one layout becomes cheaper than another, inside the panel's range."""
    low, high = panel.get_xlim()
    inside = [
        c
        for c in crossovers
        if c.quantity == quantity and low <= c.resolution <= high and c.condition == condition
    ]
    for index, crossover in enumerate(inside):
        if crossover.low is not None and crossover.high is not None:
            ends, height = (crossover.low, crossover.high), crossover.value / scale
            panel.plot(ends, (height, height), "-|", color=INK, linewidth=0.9, markersize=5, zorder=5)
        place = (crossover.resolution, crossover.value / scale)
        panel.plot(*place, marker="o", markersize=8, markerfacecolor="none", markeredgecolor=INK, zorder=5)
        label = f"{crossover.resolution:.0f}"
        # neighbours' labels do not meet; where there is room first: math curves lie above the fused ones
        side = 1 if (index % 2 == 0) == quantity.endswith("math") else -1
        panel.annotate(
            label,
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
    planned = results.planned(kind)
    missing = planned[planned["status"] != "done"] if len(planned) else planned
    places = dict.fromkeys(
        f"{row['layout']} at {row['resolution']} px ({row['status']})" for row in missing.to_dict("records")
    )
    return f" Not drawn: {', '.join(places)}." if places else ""


def marked(quantities: Collection[str], crossovers: Sequence[Crossover]) -> str:
    mine = [c for c in crossovers if c.quantity in quantities]
    if not mine:
        return ""
    parts = [
        f"{c.cheaper} needs less than {c.dearer} from {c.resolution:.0f} px{_kernel(c.quantity)}"
        for c in mine
    ]
    bars = ", with the interval as a bar" if any(c.low is not None for c in mine) else ""
    return f" Circles{bars}: {'; '.join(parts)}."


def _kernel(quantity: str) -> str:
    kernel = quantity.rpartition("_")[2]
    return f" ({kernel} kernel)" if kernel in ("fused", "math") else ""
