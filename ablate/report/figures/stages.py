"""Parameters and MACs by stage, as stacked bars, one bar per layout."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ablate.measurements.complexity import StageCost
from ablate.measurements.register import quantity
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import PAPER
from ablate.report.tables.stages import stage_costs

_STAGE = re.compile(r"stem|head|stage\d+")
_WHOLE = "timm model, whole"


@figure("stages", order=50)
def stage_figure(results: Results) -> Drawn | None:
    """Where in the layouts the cost lies."""
    costs = stage_costs(results)
    if not costs:
        return None
    stages = _ordered(_name(stage) for rows in costs.values() for stage in rows)
    split = [stage for stage in stages if stage != _WHOLE]
    colors = {stage: style.stage_color(index, len(split)) for index, stage in enumerate(split)}
    colors[_WHOLE] = style.GREY
    figure_, panels = style.axes(2, height=1.2 + 0.26 * len(costs), share_y=True)
    for panel, name in zip(panels, ("macs", "params"), strict=True):
        wanted = quantity(name, "complexity")
        left = [0.0] * len(costs)
        for stage in stages:
            widths = [
                sum(float(getattr(row, name)) for row in rows if _name(row) == stage) / wanted.scale
                for rows in costs.values()
            ]
            panel.barh(
                range(len(costs)),
                widths,
                left=left,
                color=colors[stage],
                height=0.72,
                edgecolor=PAPER,
                linewidth=0.5,
                label=stage,
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        panel.set_xlabel(wanted.title + (f" at {results.reference} px" if name == "macs" else ""))
        style.name_rows(panel, list(costs))
        panel.grid(visible=False, axis="y")
        panel.tick_params(axis="y", length=0)
        panel.locator_params(axis="x", nbins=5)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    style.legend(figure_, handles, labels)
    return Drawn("stages", f"Where MACs and parameters lie, by stage, at {results.reference} px.", figure_)


def _name(stage: StageCost) -> str:
    return stage.name if _STAGE.fullmatch(stage.name) else _WHOLE


def _ordered(stages: Iterable[str]) -> list[str]:
    return sorted(
        set(stages), key=lambda name: (name == _WHOLE, name == "head", name != "stem", len(name), name)
    )
