"""Learning curves: the mean over runs with its 95 % interval, as a line in a band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ablate.report.style import Look
from ablate.statistics.seeds import summarize

Points = dict[int, tuple[float, float]]
"""Images seen: the mean over seeds, and half its 95 % interval (0 for one seed)."""


def mean_curve(runs: Sequence[Mapping[int, float]]) -> Points:
    """Mean and half-width where all runs have a point that is finite."""
    common = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    points: Points = {}
    for seen in common:
        values = [run[seen] for run in runs]
        if all(map(math.isfinite, values)):
            summary = summarize(values)
            points[int(seen)] = (summary.mean, summary.half_width or 0.0)
    return points


def draw_curve(panel: Axes, points: Points, look: Look) -> None:
    """One line, with its band where there is one."""
    seen = list(points)
    panel.plot(seen, [mean for mean, _ in points.values()], color=look.color, linestyle=look.line)
    if any(half for _, half in points.values()):
        low, high = ([mean + sign * half for mean, half in points.values()] for sign in (-1, 1))
        panel.fill_between(seen, low, high, color=look.color, alpha=0.18, linewidth=0)


def label_images(panel: Axes) -> None:
    """The axis of a learning curve, in thousands of images."""
    panel.set_xlabel("Images seen")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g} k" if value else "0"))
