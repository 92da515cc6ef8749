"""Figures of a study: what grows how with the resolution, what accuracy costs, where the work lies.

Every function returns a `Figure`, or None when the study has no data for it; only the writer saves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report import style
from ablate.report.accuracy import accuracies
from ablate.report.cost_tables import stage_costs
from ablate.report.metrics import Metric, metric
from ablate.report.results import Results, select
from ablate.report.style import INK, PAPER, Look


@dataclass(frozen=True)
class Crossover:
    """The resolution in pixels from which `cheaper` needs less than `dearer` of a quantity.

    `quantity` is `macs`, `memory` or `latency`; `low` and `high` bound the resolution where it is measured.
    """

    quantity: str
    cheaper: str
    dearer: str
    resolution: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Drawn:
    """A figure with the name of its files and its caption."""

    name: str
    caption: str
    figure: Figure


def all_figures(results: Results, crossovers: Sequence[Crossover] = ()) -> list[Drawn]:
    """Every figure the study has data for. Call it, and save what it gives, under `style.paper_style()`."""
    builders: Sequence[Callable[[], Drawn | None]] = (
        lambda: macs_figure(results, crossovers),
        lambda: memory_figure(results, crossovers),
        lambda: latency_figure(results, crossovers),
        lambda: accuracy_figure(results),
        lambda: stage_figure(results),
    )
    return [drawn for builder in builders if (drawn := builder()) is not None]


def macs_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """MACs of one image against the resolution, both logarithmic."""
    rows = results.done("complexity")
    if rows.empty:
        return None
    macs = metric("complexity", "macs")
    figure, (panel,) = style.axes()
    _curves(panel, results, rows, macs)
    _finish(panel, results, rows, macs)
    _mark(panel, results, "macs", crossovers, macs.scale)
    _layout_legend(figure, results, rows, macs.column)
    return Drawn(
        "macs",
        "MACs of one image against resolution. Counted, no error." + _marked("macs", crossovers),
        figure,
    )


def memory_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Predicted peak memory against the resolution: a panel per mode, fused kernel solid, math kernel dashed."""
    rows = _memory_rows(results)
    if rows.empty:
        return None
    peak = metric("memory", "peak")
    modes = list(dict.fromkeys(rows["mode"]))
    figure, panels = style.axes(len(modes), height=3.3)
    looks = style.looks(results.texts)
    for panel, mode in zip(panels, modes, strict=True):
        of_mode = rows[rows["mode"] == mode]
        for name in results.layouts:
            by_kernel = {
                kernel: select(of_mode, layout=name, kernel=kernel).sort_values("resolution")
                for kernel in ("fused", "math")
            }
            fused, math_ = (list(by_kernel[kernel][peak.column]) for kernel in ("fused", "math"))
            for kernel, line in (("math", (0, (3, 1.5))), ("fused", "-")):
                drawn = by_kernel[kernel]
                if drawn.empty or (kernel == "math" and fused == math_):
                    continue  # a layout without N x N attention has one curve
                look = Look(looks[name].color, line, looks[name].marker if kernel == "fused" else "")
                _line(panel, drawn["resolution"], drawn[peak.column] / peak.scale, look)
            real = of_mode[(of_mode["layout"] == name)]
            real = (
                real[real["measured_peak_bytes"].notna()] if "measured_peak_bytes" in real else real.iloc[:0]
            )
            panel.plot(real["resolution"], real["measured_peak_bytes"] / peak.scale if len(real) else [], "x",
                       color=looks[name].color, markersize=5, zorder=4)  # fmt: skip
        panel.set_title(str(mode).replace("_", " "))
        _finish(panel, results, of_mode, peak, label=f"Peak memory ({peak.unit})")
        _mark(panel, results, "memory", crossovers, peak.scale)
    panels[-1].set_ylabel("" if len(panels) > 1 else panels[-1].get_ylabel())
    _layout_legend(figure, results, rows, peak.column, extra=_kernel_handles(rows), lines=False)
    caption = "Predicted peak memory above weights and input against resolution, by attention kernel."
    if "measured_peak_bytes" in rows and rows["measured_peak_bytes"].notna().any():
        caption += " Crosses are measured."
    return Drawn("memory", caption + _marked("memory", crossovers), figure)


def latency_figure(results: Results, crossovers: Sequence[Crossover] = ()) -> Drawn | None:
    """Latency per batch against the resolution, with the 95 % interval between processes; a panel per mode."""
    rows = results.done("throughput")
    if rows.empty:
        return None
    latency = metric("throughput", "latency")
    names = ["mode", "precision", "batch"]
    panels_of = [c for c in results.conditions("throughput", names) if len(select(rows, **c))][:3]
    figure, panels = style.axes(len(panels_of))
    for panel, condition in zip(panels, panels_of, strict=True):
        shown = select(rows, **condition)
        _curves(panel, results, shown, latency, error=("latency_low_ms", "latency_high_ms"))
        _finish(panel, results, shown, latency)
        panel.set_title(", ".join(f"batch {v}" if k == "batch" else str(v) for k, v in condition.items()))
        _mark(panel, results, "latency", crossovers, latency.scale)
    _layout_legend(figure, results, rows, latency.column)
    caption = "Latency of one batch against resolution; bars are the 95 % interval between fresh processes."
    return Drawn("latency", caption + _marked("latency", crossovers), figure)


def accuracy_figure(results: Results) -> Drawn | None:
    """Top-1 against MACs at the reference resolution, with 95 % intervals over seeds."""
    found = {name: accuracy for name, accuracy in accuracies(results).items() if accuracy.finished}
    counted = select(results.done("complexity"), resolution=results.reference)
    macs = metric("complexity", "macs")
    points = {
        name: float(row[macs.column].iloc[0]) / macs.scale
        for name in found
        if len(row := select(counted, layout=name))
    }
    if not points:
        return None
    figure, (panel,) = style.axes()
    looks = style.looks(results.texts)
    for name, x in points.items():
        half = found[name].half_width
        panel.errorbar(
            x, found[name].mean, yerr=None if np.isnan(half) else half, color=looks[name].color,
            marker=looks[name].marker, markerfacecolor=_face(looks[name]), markersize=5.5, elinewidth=1, zorder=3,
        )  # fmt: skip
    style.log_axis(panel.xaxis, list(points.values()))
    panel.margins(x=0.08, y=0.12)
    condition = results.conditions("accuracy", ["dataset", "epochs"])[0]
    panel.set_xlabel(f"MACs at {results.reference} px (G)")
    panel.set_ylabel(f"Top-1, {condition.get('dataset', '')} (%)")
    order = sorted(points, key=lambda name: -found[name].mean)
    style.legend(figure, [_handle(looks[name], line=False) for name in order], order)
    caption = "Accuracy after the short schedule against MACs; bars are 95 % intervals over seeds."
    return Drawn("accuracy", caption, figure)


def stage_figure(results: Results) -> Drawn | None:
    """Parameters and MACs by stage, as stacked bars, one bar per layout."""
    costs = stage_costs(results)
    if costs.empty:
        return None
    stages = _stage_order(list(dict.fromkeys(costs["stage"])))
    figure, panels = style.axes(2, height=1.2 + 0.26 * len(results.layouts), share_y=True)
    colors = [style.stage_color(index, len(stages)) for index in range(len(stages))]
    layouts = [name for name in results.layouts if name in set(costs["layout"])]
    for panel, column, title in ((panels[0], "macs", "MACs (G)"), (panels[1], "params", "Parameters (M)")):
        scale = metric("complexity", column).scale
        table = costs.pivot_table(index="layout", columns="stage", values=column, aggfunc="sum").reindex(
            layouts
        )
        left = np.zeros(len(layouts))
        for stage, color in zip(stages, colors, strict=True):
            width = table[stage].fillna(0).to_numpy(dtype=float) / scale
            panel.barh(
                layouts,
                width,
                left=left,
                color=color,
                height=0.72,
                edgecolor=PAPER,
                linewidth=0.5,
                label=stage,
            )
            left += width
        panel.set_xlabel(title + (f" at {results.reference} px" if column == "macs" else ""))
        panel.grid(visible=False, axis="y")
        panel.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend(figure, handles, labels)
    return Drawn("stages", f"Where MACs and parameters lie, by stage, at {results.reference} px.", figure)


def _stage_order(stages: Sequence[str]) -> list[str]:
    return sorted(stages, key=lambda name: (name == "head", name != "stem", name))


def _memory_rows(results: Results) -> pd.DataFrame:
    """Peaks by layout, resolution, mode and kernel: of the memory cells, else as counted with the complexity."""
    rows = results.done("memory")
    if len(rows):
        batch = rows["batch"].iloc[0] if "batch" in rows else None
        return select(rows, batch=batch)
    records = []
    for row in results.done("complexity").to_dict("records"):
        for mode in ("inference", "training"):
            for kernel in ("fused", "math"):
                peak = row[f"{mode}_peak_{kernel}_bytes"]
                records.append({"layout": row["layout"], "resolution": row["resolution"], "mode": mode, "kernel": kernel,
                                "predicted_peak_bytes": peak})  # fmt: skip
    frame = pd.DataFrame(records)
    return frame[frame["predicted_peak_bytes"].notna()] if len(frame) else frame


def _curves(
    panel: Axes, results: Results, rows: pd.DataFrame, quantity: Metric, error: tuple[str, str] | None = None
) -> None:
    looks = style.looks(results.texts)
    for name in results.layouts:
        mine = select(rows, layout=name).sort_values("resolution")
        values = mine[quantity.column] / quantity.scale
        if mine.empty or values.isna().all():
            continue
        if error is None:
            _line(panel, mine["resolution"], values, looks[name])
            continue
        low, high = (mine[column] / quantity.scale for column in error)
        spread = np.clip(np.vstack([values - low, high - values]), 0, None)
        look = looks[name]
        panel.errorbar(mine["resolution"], values, yerr=spread, color=look.color, linestyle=look.line, marker=look.marker,
                       markerfacecolor=_face(look), elinewidth=0.9)  # fmt: skip


def _line(panel: Axes, x: Any, y: Any, look: Look) -> None:
    panel.plot(x, y, color=look.color, linestyle=look.line, marker=look.marker, markerfacecolor=_face(look))


def _face(look: Look) -> str:
    """Round markers are filled, the others open, so that the rules differ in print without colour too."""
    return look.color if look.marker == "o" else PAPER


def _finish(
    panel: Axes, results: Results, rows: pd.DataFrame, quantity: Metric, label: str | None = None
) -> None:
    values = rows[quantity.column].dropna() / quantity.scale
    style.log_axis(panel.yaxis, [float(value) for value in values if value > 0] or [1.0])
    style.resolution_axis(panel, [float(value) for value in rows["resolution"]])
    panel.set_ylabel(label or quantity.title)


def _layout_legend(
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
    handles = [*(_handle(looks[name], line=lines) for name in order), *extra]
    style.legend(figure, handles, [*order, *(str(handle.get_label()) for handle in extra)])


def _handle(look: Look, *, line: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=look.color,
        linestyle=look.line if line else "",
        marker=look.marker,
        markerfacecolor=_face(look),
    )


def _kernel_handles(rows: pd.DataFrame) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, linestyle="-", label="fused kernel"),
        Line2D([], [], color=INK, linestyle=(0, (3, 1.5)), label="math kernel (N×N)"),
    ]
    if "measured_peak_bytes" in rows and rows["measured_peak_bytes"].notna().any():
        handles.append(Line2D([], [], color=INK, linestyle="", marker="x", label="measured"))
    return handles


def _mark(
    panel: Axes, results: Results, quantity: str, crossovers: Sequence[Crossover], scale: float
) -> None:
    """Mark where one layout becomes cheaper than another, inside the panel's range."""
    low, high = panel.get_xlim()
    marked = [c for c in crossovers if c.quantity == quantity and low <= c.resolution <= high]
    for crossover in marked:
        if crossover.low is not None and crossover.high is not None:
            panel.axvspan(crossover.low, crossover.high, color=INK, alpha=0.08, linewidth=0)
        panel.plot(crossover.resolution, crossover.value / scale, marker="o", markersize=8, markerfacecolor="none",
                   markeredgecolor=INK, zorder=5)  # fmt: skip
        panel.annotate(
            f"{crossover.resolution:.0f}", (crossover.resolution, crossover.value / scale), xytext=(-3, 6),
            textcoords="offset points", ha="right", fontsize=7,
        )  # fmt: skip


def _marked(quantity: str, crossovers: Sequence[Crossover]) -> str:
    marked = [c for c in crossovers if c.quantity == quantity]
    if not marked:
        return ""
    parts = [f"{c.cheaper} needs less than {c.dearer} from {c.resolution:.0f} px" for c in marked]
    return " Circles: " + "; ".join(parts) + "."
