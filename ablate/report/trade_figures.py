"""What accuracy costs, and where in a layout the cost lies."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from ablate.report import style
from ablate.report.accuracy import accuracies
from ablate.report.cost_tables import stage_costs
from ablate.report.drawing import Drawn, face, handle
from ablate.report.metrics import metric
from ablate.report.results import Results, select
from ablate.report.style import PAPER

_STAGE = re.compile(r"stem|head|stage\d+")
_WHOLE = "timm model, whole"


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
    style.log_axis(panel, "x", list(points.values()))
    places = style.side_by_side(points)
    for name, x in places.items():
        half = found[name].half_width
        panel.errorbar(
            x,
            found[name].mean,
            yerr=None if np.isnan(half) else half,
            color=looks[name].color,
            marker=looks[name].marker,
            markerfacecolor=face(looks[name]),
            markersize=5.5,
            elinewidth=1,
            zorder=3,
        )
    panel.margins(x=0.08, y=0.12)
    condition = results.conditions("accuracy", ["dataset", "epochs"])[0]
    panel.set_xlabel(f"MACs at {results.reference} px (G)")
    panel.set_ylabel(f"Top-1, {condition.get('dataset', '')} (%)")
    order = sorted(points, key=lambda name: -found[name].mean)
    style.legend(figure, [handle(looks[name], line=False) for name in order], order)
    caption = "Accuracy after the short schedule against MACs; bars are 95 % intervals over seeds."
    if places != points:
        caption += " Points with nearly equal MACs are set side by side."
    without = [name for name in results.layouts if name not in points]
    if without:
        caption += f" Not drawn, for want of a number: {', '.join(without)}."
    return Drawn("accuracy", caption, figure)


def stage_figure(results: Results) -> Drawn | None:
    """Parameters and MACs by stage, as stacked bars, one bar per layout."""
    costs = stage_costs(results)
    if costs.empty:
        return None
    costs = costs.assign(stage=[name if _STAGE.fullmatch(name) else _WHOLE for name in costs["stage"]])
    stages = _stage_order(set(costs["stage"]))
    figure, panels = style.axes(2, height=1.2 + 0.26 * len(results.layouts), share_y=True)
    split = [stage for stage in stages if stage != _WHOLE]
    colors = {stage: style.stage_color(index, len(split)) for index, stage in enumerate(split)}
    colors[_WHOLE] = style.GREY
    layouts = [name for name in results.layouts if name in set(costs["layout"])]
    for panel, column, title in ((panels[0], "macs", "MACs (G)"), (panels[1], "params", "Parameters (M)")):
        scale = metric("complexity", column).scale
        table = costs.pivot_table(index="layout", columns="stage", values=column, aggfunc="sum").reindex(
            layouts
        )
        left = np.zeros(len(layouts))
        for stage in stages:
            width = table[stage].fillna(0).to_numpy(dtype=float) / scale
            panel.barh(
                layouts,
                width,
                left=left,
                color=colors[stage],
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


def _stage_order(stages: Collection[str]) -> list[str]:
    return sorted(stages, key=lambda name: (name == _WHOLE, name == "head", name != "stem", len(name), name))
