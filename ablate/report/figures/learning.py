"""Learning curves: training loss, and top-1 on the way where it was judged, with their bands over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ablate.measurements.accuracy import AccuracyValues
from ablate.report import style
from ablate.report.drawing import Drawn, handle
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.statistics.seeds import summarize

Points = dict[int, tuple[float, float]]  # images seen: mean over seeds, half its 95 % interval


@figure("learning", order=45)
def learning_figure(results: Results) -> Drawn | None:
    """A panel for the loss and one for top-1, where runs kept these; None without any."""
    panels_of = {
        "Training loss (nats)": _curves(results, "curve"),
        "Top-1 on the way (%)": _curves(results, "test_curve"),
    }
    shown = {label: lines for label, lines in panels_of.items() if lines}
    if not shown:
        return None
    figure_, panels = style.axes(len(shown))
    looks = style.looks(results.texts)
    for panel, (label, lines) in zip(panels, shown.items(), strict=True):
        for name, points in lines.items():
            _draw(panel, points, looks[name])
        panel.set_xlabel("Images seen")
        panel.set_ylabel(label)
        panel.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value / 1000:g} k" if value else "0")
        )
    names = [name for name in results.layouts if any(name in lines for lines in shown.values())]
    style.legend(figure_, [handle(looks[name], line=True) for name in names], names)
    caption = "Learning curves: means over seeds; bands are 95 % intervals where there are two seeds or more."
    if "Top-1 on the way (%)" in shown:
        caption += " Nothing was chosen by the test images."
    return Drawn("learning", caption, figure_)


def _curves(results: Results, name: str) -> dict[str, Points]:
    """The mean curve of every layout whose runs have one of two points or more."""
    curves = {}
    for layout in results.layouts:
        runs = [
            dict(getattr(record.values, name))
            for record in results.done("accuracy", layout=layout)
            if isinstance(record.values, AccuracyValues)
        ]
        points = _mean([run for run in runs if len(run) > 1])
        if points:
            curves[layout] = points
    return curves


def _mean(runs: Sequence[Mapping[int, float]]) -> Points:
    """Mean and half-width where all runs have a point."""
    common = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    points: Points = {}
    for seen in common:
        values = [run[seen] for run in runs]
        if all(map(math.isfinite, values)):
            summary = summarize(values)
            points[int(seen)] = (summary.mean, summary.half_width or 0.0)
    return points


def _draw(panel: Axes, points: Points, look: style.Look) -> None:
    seen = list(points)
    means = [mean for mean, _ in points.values()]
    panel.plot(seen, means, color=look.color, linestyle=look.line)
    if any(half for _, half in points.values()):
        low, high = ([mean + sign * half for mean, half in points.values()] for sign in (-1, 1))
        panel.fill_between(seen, low, high, color=look.color, alpha=0.18, linewidth=0)
