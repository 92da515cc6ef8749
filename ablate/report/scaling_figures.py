"""What grows how with the resolution: MACs, memory, latency."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.lines import Line2D

from ablate.report import style
from ablate.report.drawing import (
    Crossover,
    Drawn,
    curve_of,
    curves,
    draw,
    finish,
    layout_legend,
    mark,
    marked,
    not_drawn,
)
from ablate.report.metrics import metric
from ablate.report.results import Results, describe, select
from ablate.report.style import INK, Look


def macs_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """MACs of one image against the resolution, both logarithmic."""
    rows = results.done("complexity")
    if rows.empty:
        return None
    macs = metric("complexity", "macs")
    figure, (panel,) = style.axes()
    curves(panel, results, rows, macs)
    finish(panel, results, rows, macs)
    mark(panel, results, "macs", crossovers, macs.scale)
    layout_legend(figure, results, rows, macs.column)
    return Drawn(
        "macs",
        "MACs of one image against resolution, counted exactly."
        + not_drawn(results, "complexity")
        + marked("macs", crossovers),
        figure,
    )


def memory_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Predicted peak memory against the resolution, a panel per mode; fused solid, math dashed."""
    rows = _memory_rows(results)
    if rows.empty:
        return None
    peak = metric("memory", "peak")
    modes = list(dict.fromkeys(rows["mode"]))
    figure, panels = style.axes(len(modes), height=3.3)
    looks = style.looks(results.texts)
    for panel, mode in zip(panels, modes, strict=True):
        of_mode = rows[rows["mode"] == mode]
        by_kernel = {
            kernel: {n: curve_of(select(of_mode, layout=n, kernel=kernel), peak) for n in results.layouts}
            for kernel in ("fused", "math")
        }
        widths = style.widths(by_kernel["fused"])
        for name, look in looks.items():
            fused, math_ = by_kernel["fused"][name], by_kernel["math"][name]
            if len(math_) and not math_.equals(fused):  # a layout without N x N attention has one curve
                draw(panel, math_, Look(look.color, style.DASHED, ""), style.LINE)
            if len(fused):
                draw(panel, fused, Look(look.color, "-", look.marker), widths[name])
            real = _measured(select(of_mode, layout=name)) / peak.scale
            panel.plot(
                real.index, real.to_numpy(), "x", color=INK, markersize=5, markeredgewidth=0.8, zorder=4
            )
        panel.set_title(str(mode).replace("_", " "))
        finish(panel, results, of_mode, peak, label=f"Peak memory ({peak.unit})")
        mark(panel, results, "memory", crossovers, peak.scale)
    panels[-1].set_ylabel("" if len(panels) > 1 else panels[-1].get_ylabel())
    layout_legend(figure, results, rows, peak.column, extra=_kernel_handles(rows), lines=False)
    caption = "Predicted peak memory above weights and input against resolution, by attention kernel."
    if len(_measured(rows)):
        caption += " Crosses are measured."
    caption += not_drawn(results, "memory")
    return Drawn("memory", caption + marked("memory", crossovers), figure)


def latency_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Latency per batch against the resolution, with its 95 % interval; a panel for each other condition."""
    rows = results.done("throughput")
    if rows.empty:
        return None
    latency = metric("throughput", "latency")
    names = ["mode", "precision", "batch", "threads", "compile", "device"]
    shown_always = {"mode", "precision", "batch"} | results.varying("throughput")
    panels_of = [c for c in results.conditions("throughput", names) if len(select(rows, **c))]
    figure, panels = style.axes(len(panels_of))
    for panel, condition in zip(panels, panels_of, strict=True):
        shown = select(rows, **condition)
        curves(panel, results, shown, latency, error=("latency_low_ms", "latency_high_ms"))
        finish(panel, results, shown, latency)
        panel.set_title(describe({key: value for key, value in condition.items() if key in shown_always}))
        mark(panel, results, "latency", crossovers, latency.scale)
    layout_legend(figure, results, rows, latency.column)
    caption = "Latency of one batch against resolution; bars are the 95 % interval between fresh processes."
    caption += not_drawn(results, "throughput")
    return Drawn("latency", caption + marked("latency", crossovers), figure)


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


def _kernel_handles(rows: pd.DataFrame) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, linestyle="-", label="fused kernel"),
        Line2D([], [], color=INK, linestyle=style.DASHED, label="math kernel (N×N)"),
    ]
    if len(_measured(rows)):
        handles.append(Line2D([], [], color=INK, linestyle="", marker="x", label="measured"))
    return handles
