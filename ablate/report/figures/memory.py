"""Predicted peak memory against the resolution: fused solid, math dashed, measured crosses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.measurements.register import quantity
from ablate.report import overlap, style
from ablate.report.crossings import crossings, marks
from ablate.report.drawing import Drawn, Line, draw, finish, layout_legend, lines_of, mark, marked, not_drawn
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import INK, PAPER, Look

_KERNELS = ("fused", "math")
Lines = Mapping[str, Line]


@figure("memory", order=20)
def memory_figure(results: Results) -> Drawn | None:
    """Peaks of the memory cells, else those of the counts; dots with one resolution."""
    peaks, real = _peaks(results)
    if not peaks:
        return None
    planned = results.planned("memory")
    known = [] if planned and planned[0].at("batch") != 1 else marks(crossings(results))  # of one image
    modes = list(dict.fromkeys(mode for mode, _ in peaks))
    sides = {side for lines in peaks.values() for line in lines.values() for side in line.points}
    names = [name for name in results.layouts if any(name in lines for lines in peaks.values())]
    single = len(sides) == 1
    height = 1.2 + 0.24 * len(names) if single else 3.3
    figure_, panels = style.axes(len(modes), height=height, share_y=single)
    scale = quantity("peak").scale
    for panel, mode in zip(panels, modes, strict=True):
        panel.set_title(mode)
        by_kernel = {kernel: peaks.get((mode, kernel), {}) for kernel in _KERNELS}
        if single:
            _dots(panel, results, names, by_kernel, real.get(mode, {}), next(iter(sides)))
            continue
        _curves(panel, results, by_kernel, real.get(mode, {}))
        shown = [line for lines in by_kernel.values() for line in lines.values()]
        finish(panel, shown, f"Peak memory ({quantity('peak').unit})")
        for kernel in _KERNELS:
            mark(panel, f"{mode}_{kernel}", known, scale)
    extra = _kernel_handles(measured=any(real.values()), dots=single)
    if single:
        style.legend(figure_, extra, [str(handle.get_label()) for handle in extra])
    else:
        panels[-1].set_ylabel("" if len(panels) > 1 else panels[-1].get_ylabel())
        layout_legend(figure_, results, peaks[modes[-1], "fused"], extra=extra, with_lines=False)
    caption = "Predicted peak memory of one step, above weights and input, by attention kernel."
    if any(real.values()):
        caption += " Crosses are measured."
    caption += not_drawn(results, "memory")
    drawn = {f"{mode}_{kernel}" for mode in modes for kernel in _KERNELS}
    return Drawn("memory", caption + marked(drawn, known), figure_)


def _peaks(results: Results) -> tuple[dict[tuple[str, str], Lines], dict[str, Lines]]:
    """Predicted peaks by mode and kernel, and measured ones by mode."""
    planned = results.planned("memory")
    batch = planned[0].at("batch") if planned else None
    peaks: dict[tuple[str, str], Lines] = {}
    real: dict[str, Lines] = {}
    for mode in ("inference", "training"):
        for kernel in _KERNELS:
            records = results.done("memory", mode=mode, kernel=kernel, batch=batch)
            lines = lines_of(results, records, quantity("peak"))
            if not planned:
                lines = lines_of(results, results.done("complexity"), quantity(f"{mode}_peak_{kernel}"))
            if lines:
                peaks[mode, kernel] = lines
        own = results.done("memory", mode=mode, batch=batch)
        measured = lines_of(results, own, quantity("measured_peak"))
        if measured:
            real[mode] = measured
    return peaks, real


def _curves(panel: Axes, results: Results, by_kernel: Mapping[str, Lines], real: Lines) -> None:
    fused, math_ = by_kernel["fused"], by_kernel["math"]
    widths = overlap.widths({name: line.points for name, line in fused.items()})
    for name, look in style.looks(results.texts).items():
        if name in math_ and (name not in fused or math_[name].points != fused[name].points):
            draw(panel, math_[name], Look(look.color, style.DASHED, ""), style.LINE)  # it has N x N attention
        if name in fused:
            draw(panel, fused[name], Look(look.color, "-", look.marker), widths[name])
        if name in real:
            points = real[name].points
            panel.plot(
                list(points),
                list(points.values()),
                "x",
                color=INK,
                markersize=5,
                markeredgewidth=0.8,
                zorder=4,
            )


def _dots(
    panel: Axes, results: Results, names: list[str], by_kernel: Mapping[str, Lines], real: Lines, side: int
) -> None:
    """One resolution only: a row per layout, from the fused kernel's peak (filled) to the math one's."""
    looks = style.looks(results.texts)
    for place, name in enumerate(names):
        peaks = {kernel: lines[name].points[side] for kernel, lines in by_kernel.items() if name in lines}
        color = looks[name].color
        panel.plot(list(peaks.values()), [place] * len(peaks), "-", color=color)
        for kernel, fill in (("math", PAPER), ("fused", color)):
            if kernel in peaks:
                panel.plot(peaks[kernel], place, "o", color=color, markerfacecolor=fill)
        if name in real:
            panel.plot(
                real[name].points[side], place, "x", color=INK, markersize=5, markeredgewidth=0.8, zorder=4
            )
    panel.set_xlabel(f"Peak memory ({quantity('peak').unit}) at {side} px")
    style.name_rows(panel, names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.margins(x=0.12)
    panel.set_xlim(left=0)


def _kernel_handles(*, measured: bool, dots: bool) -> list[Line2D]:
    """Legend entries for the kernels: lines of curves, or filled and open dots."""
    fused: dict[str, Any] = {"linestyle": "", "marker": "o"} if dots else {"linestyle": "-"}
    math_ = (
        {"linestyle": "", "marker": "o", "markerfacecolor": PAPER} if dots else {"linestyle": style.DASHED}
    )
    handles = [
        Line2D([], [], color=INK, label="fused kernel", **fused),
        Line2D([], [], color=INK, label="math kernel (N×N)", **math_),
    ]
    if measured:
        handles.append(Line2D([], [], color=INK, linestyle="", marker="x", label="measured"))
    return handles
