"""Diagnostic tasks as a heat map: layouts by tasks and difficulties."""

from __future__ import annotations

import math

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.scores import scores, short


@figure("diagnostics", order=45)
def diagnostics_figure(results: Results) -> Drawn | None:
    """One row a layout, a column for each difficulty of each task; None without diagnostic tasks."""
    known = scores(results)
    if not known:
        return None
    columns: dict[tuple[str, str], None] = {}
    values: dict[tuple[str, str, str], float] = {}
    for score in known:
        groups = {name: summary.mean for name, summary in score.groups.items()}
        for name, mean in (groups or {"all": score.overall.mean}).items():
            columns[score.task, name] = None
            values[score.layout, score.task, name] = mean
    layouts = [name for name in results.layouts if any(key[0] == name for key in values)]
    grid = [[values.get((name, *column), math.nan) for column in columns] for name in layouts]
    figure_, (panel,) = style.axes(height=1.1 + 0.24 * len(layouts))
    panel.imshow(grid, aspect="auto", cmap="viridis", vmin=0, vmax=100)
    for row, line in enumerate(grid):
        for place, value in enumerate(line):
            if not math.isnan(value):
                ink = style.PAPER if value < 60 else style.INK
                panel.text(place, row, f"{value:.0f}", ha="center", va="center", fontsize=6, color=ink)
    style.name_rows(panel, layouts)
    names = [f"{short(task)}, {name}" for task, name in columns]
    panel.set_xticks(range(len(columns)), names, rotation=60, ha="right", rotation_mode="anchor")
    panel.grid(visible=False)
    panel.tick_params(length=0)
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    caption = "Right answers in percent on tasks that each need one ability, by difficulty; mean over seeds."
    return Drawn("diagnostics", caption, figure_)
