"""What grows how with the resolution: MACs, memory, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.report import style
from ablate.report.drawing import (
    Crossover,
    Drawn,
    curve_of,
    curves,
    dot_figure,
    draw,
    finish,
    layout_legend,
    mark,
    marked,
    not_drawn,
)
from ablate.report.metrics import metric
from ablate.report.results import Results, describe, select
from ablate.report.rooflines import Rooflines
from ablate.report.style import INK, PAPER, Look

_MEMORY = {"inference_fused", "inference_math", "training_fused", "training_math"}
_SHOWN = {"mode", "precision", "batch"}
_ENDS = ("latency_low_ms", "latency_high_ms")
_ROOFLINE: dict[str, Any] = {"linestyle": ":", "linewidth": 0.9, "marker": ""}
_RATIO_ENDS = ("latency_ratio_low", "latency_ratio_high")


def macs_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """MACs of one image against the resolution, and beside it as a multiple of the baseline's."""
    rows = results.done("complexity")
    if rows.empty:
        return None
    macs = metric("complexity", "macs")
    caption = "MACs of one image, counted exactly."
    base = select(rows, layout=results.baseline).set_index("resolution")[macs.column]
    rows = rows.assign(relative=rows[macs.column] / rows["resolution"].map(base))
    if rows["resolution"].nunique() == 1:
        return Drawn("macs", caption + not_drawn(results, "complexity"), dot_figure(results, rows, macs))
    relative = replace(
        macs, column="relative", scale=1.0, label=f"MACs / {_short(results.baseline)}", unit=""
    )
    figure, (panel, *others) = style.axes(2 if len(base) else 1)
    for each, quantity in zip((panel, *others), (macs, relative), strict=False):
        known = rows[rows[quantity.column].notna()]
        curves(each, results, known, quantity)
        finish(each, known, quantity)
    mark(panel, "macs", crossovers, macs.scale)
    layout_legend(figure, results, rows, macs.column)
    if others:
        caption += " Right: as a multiple of the baseline's."
    return Drawn("macs", caption + not_drawn(results, "complexity") + marked({"macs"}, crossovers), figure)


def memory_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Predicted peak memory against the resolution, a panel per mode; fused solid, math dashed."""
    rows = _memory_rows(results)
    if rows.empty:
        return None
    peak = metric("memory", "peak")
    if "batch" in rows and rows["batch"].iloc[0] != 1:
        crossovers = ()  # they are those of one image
    modes = list(dict.fromkeys(rows["mode"]))
    one = rows["resolution"].nunique() == 1
    height = 1.2 + 0.24 * rows["layout"].nunique() if one else 3.3
    figure, panels = style.axes(len(modes), height=height, share_y=one)
    for panel, mode in zip(panels, modes, strict=True):
        of_mode = rows[rows["mode"] == mode]
        panel.set_title(str(mode))
        if one:
            _memory_dots(panel, results, of_mode)
            continue
        _memory_curves(panel, results, of_mode)
        finish(panel, of_mode, peak, label=f"Peak memory ({peak.unit})")
        for kernel in ("fused", "math"):
            mark(panel, f"{mode}_{kernel}", crossovers, peak.scale)
    extra = _kernel_handles(rows, dots=one)
    if one:
        style.legend(figure, extra, [str(handle.get_label()) for handle in extra])
    else:
        panels[-1].set_ylabel("" if len(panels) > 1 else panels[-1].get_ylabel())
        layout_legend(figure, results, rows, peak.column, extra=extra, lines=False)
    caption = "Predicted peak memory of one step, above weights and input, by attention kernel."
    if len(_measured(rows)):
        caption += " Crosses are measured."
    caption += not_drawn(results, "memory")
    return Drawn("memory", caption + marked(_MEMORY, crossovers), figure)


def _memory_curves(panel: Axes, results: Results, rows: pd.DataFrame) -> None:
    peak = metric("memory", "peak")
    fused, math_ = (
        {name: curve_of(select(rows, layout=name, kernel=kernel), peak) for name in results.layouts}
        for kernel in ("fused", "math")
    )
    widths = style.widths(fused)
    for name, look in style.looks(results.texts).items():
        if len(math_[name]) and not math_[name].equals(fused[name]):  # else it has no N x N attention
            draw(panel, math_[name], Look(look.color, style.DASHED, ""), style.LINE)
        if len(fused[name]):
            draw(panel, fused[name], Look(look.color, "-", look.marker), widths[name])
        real = _measured(select(rows, layout=name)) / peak.scale
        panel.plot(real.index, real, "x", color=INK, markersize=5, markeredgewidth=0.8, zorder=4)


def _memory_dots(panel: Axes, results: Results, rows: pd.DataFrame) -> None:
    """One resolution only: a row per layout, from the fused kernel's peak (filled) to the math one's."""
    peak = metric("memory", "peak")
    looks = style.looks(results.texts)
    shown = [name for name in results.layouts if name in set(rows["layout"])]
    for place, name in enumerate(shown):
        mine = select(rows, layout=name).set_index("kernel")[peak.column] / peak.scale
        color = looks[name].color
        panel.plot(mine, [place] * len(mine), "-", color=color)
        for kernel, fill in (("math", PAPER), ("fused", color)):
            if kernel in mine:
                panel.plot(mine[kernel], place, "o", color=color, markerfacecolor=fill)
        real = _measured(select(rows, layout=name)) / peak.scale
        panel.plot(real, [place] * len(real), "x", color=INK, markersize=5, markeredgewidth=0.8, zorder=4)
    panel.set_xlabel(f"Peak memory ({peak.unit}) at {int(rows['resolution'].iloc[0])} px")
    panel.set_yticks(range(len(shown)), shown)
    panel.set_ylim(len(shown) - 0.4, -0.6)
    panel.margins(x=0.12)
    panel.set_xlim(left=0)


def latency_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Latency per batch against the resolution with its 95 % interval, a panel for each other condition.

    With one condition a second panel shows the ratio to the baseline.
    """
    rows = results.done("throughput")
    if rows.empty:
        return None
    latency = metric("throughput", "latency")
    names = ["mode", "precision", "batch", "threads", "compile", "device"]
    conditions = [c for c in results.conditions("throughput", names) if len(select(rows, **c))]
    titles = [
        describe({k: v for k, v in c.items() if k in _SHOWN | results.varying("throughput")})
        for c in conditions
    ]
    caption = "Latency of one batch; bars are the 95 % interval between fresh processes."
    if len(conditions) == 1 and rows["latency_ratio"].notna().any():
        ratio = replace(metric("throughput", "ratio"), label=f"Latency / {_short(results.baseline)}")
        caption += f" Right: as a multiple of the baseline's, compared within rounds. All: {titles[0]}."
        if rows["resolution"].nunique() == 1:
            figure = dot_figure(results, rows, latency, _ENDS, ratio, _RATIO_ENDS)
            return Drawn("latency", caption + not_drawn(results, "throughput"), figure)
        figure, panels = style.axes(2)
        for panel, quantity, ends in zip(panels, (latency, ratio), (_ENDS, _RATIO_ENDS), strict=True):
            known = rows[rows[quantity.column].notna()]
            curves(panel, results, known, quantity, error=ends)
            finish(panel, known, quantity)
        drawn = _rooflines(panels[0], results, rows)
        mark(panels[0], "latency", crossovers, latency.scale)
    else:
        drawn = False
        figure, panels = style.axes(len(conditions))
        for panel, condition, title in zip(panels, conditions, titles, strict=True):
            shown = select(rows, **condition)
            curves(panel, results, shown, latency, error=_ENDS)
            finish(panel, shown, latency)
            panel.set_title(title)
            drawn |= _rooflines(panel, results, shown)
            telling = {k: v for k, v in condition.items() if k in results.varying("throughput")}
            mark(panel, "latency", crossovers, latency.scale, describe(telling))
    extra = [Line2D([], [], color=INK, label="roofline", **_ROOFLINE)] if drawn else []
    caption += " Dotted: roofline time, the least that the machine's peak allows." if drawn else ""
    layout_legend(figure, results, rows, latency.column, extra=extra)
    return Drawn(
        "latency", caption + not_drawn(results, "throughput") + marked({"latency"}, crossovers), figure
    )


def _rooflines(panel: Axes, results: Results, rows: pd.DataFrame) -> bool:
    """The roofline time of every layout's timed batch, thin and dotted; whether there was any."""
    rooflines, looks, drawn = Rooflines(results), style.looks(results.texts), False
    for name in results.layouts:
        mine = select(rows, layout=name).sort_values("resolution").to_dict("records")
        points = [(row["resolution"], rooflines.of(row)) for row in mine]
        known = [point for point in points if point[1] > 0]
        if known:
            panel.plot(*zip(*known, strict=True), color=looks[name].color, **_ROOFLINE)
            drawn = True
    return drawn


def _short(baseline: str | None) -> str:
    """The baseline's name where an axis has room for it."""
    return baseline if baseline and len(baseline) <= 24 else "baseline"


def _memory_rows(results: Results) -> pd.DataFrame:
    """Peaks by layout, resolution, mode and kernel: those of the memory cells, else those of the counts."""
    rows = results.done("memory")
    if len(rows):
        batch = rows["batch"].iloc[0] if "batch" in rows else None
        return select(rows, batch=batch)
    records = []
    for row in results.done("complexity").to_dict("records"):
        for mode in ("inference", "training"):
            for kernel in ("fused", "math"):
                peak = row[f"{mode}_peak_{kernel}_bytes"]
                place = {"layout": row["layout"], "resolution": row["resolution"]}
                records.append({**place, "mode": mode, "kernel": kernel, "predicted_peak_bytes": peak})
    frame = pd.DataFrame(records)
    return frame[frame["predicted_peak_bytes"].notna()] if len(frame) else frame


def _measured(rows: pd.DataFrame) -> pd.Series[float]:
    """Measured peaks in bytes by resolution; empty when nothing was measured."""
    if "measured_peak_bytes" not in rows:
        return pd.Series(dtype=float)
    return rows.set_index("resolution")["measured_peak_bytes"].astype(float).dropna()


def _kernel_handles(rows: pd.DataFrame, *, dots: bool) -> list[Line2D]:
    """Legend entries for the kernels: lines of curves, or filled and open dots."""
    fused: dict[str, Any] = {"linestyle": "", "marker": "o"} if dots else {"linestyle": "-"}
    math_ = (
        {"linestyle": "", "marker": "o", "markerfacecolor": PAPER} if dots else {"linestyle": style.DASHED}
    )
    handles = [
        Line2D([], [], color=INK, label="fused kernel", **fused),
        Line2D([], [], color=INK, label="math kernel (N×N)", **math_),
    ]
    if len(_measured(rows)):
        handles.append(Line2D([], [], color=INK, linestyle="", marker="x", label="measured"))
    return handles
