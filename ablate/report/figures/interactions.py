"""Two-way interactions of a factorial ablation as crossing lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from matplotlib.lines import Line2D

from ablate.measurements.register import quantity
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.effects import ablations, effects_on
from ablate.report.evidence import samples
from ablate.report.numbers import signed
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.study.ablation_effects import EffectRow
from ablate.study.ablation_layouts import Ablation

MOST = 6


@figure("interactions", order=47)
def interaction_figure(results: Results) -> Drawn | None:
    """The interactions in accuracy, the surest first; None without a factorial that has values."""
    if not results.planned("accuracy"):
        return None
    top1 = quantity("accuracy")
    interactions: list[tuple[Ablation, EffectRow]] = []
    for ablation in ablations(results):
        rows = effects_on(results, ablation, top1) if ablation.design in ("full", "half") else ()
        interactions += [
            (ablation, row) for row in rows if row.kind == "interaction" and not math.isnan(row.effect)
        ]
    interactions = sorted(interactions, key=lambda pair: (math.isnan(pair[1].p), pair[1].p))[:MOST]
    if not interactions:
        return None
    figure_, panels = style.axes(len(interactions), height=2.3, share_y=True)
    colors = style.palette()
    for panel, (ablation, row) in zip(panels, interactions, strict=True):
        first, second = row.change.split(" x ")
        for made, color, look in ((False, colors[0], "-"), (True, colors[1], "--")):
            ends = [_mean(ablation, samples(results, top1, ablation.names), {first: x, second: made})
                    for x in (False, True)]  # fmt: skip
            panel.plot([0, 1], ends, look, color=color, marker="o", markersize=4)
        panel.set_xticks([0, 1], ["without", "with"])
        panel.set_xlim(-0.2, 1.2)
        panel.set_xlabel(first)
        word = "" if row.verdict in ("better", "worse") else f" {row.verdict}"
        panel.set_title(f"× {second}: {signed(row.effect, row.high - row.effect)}{word}", fontsize=7)
    panels[0].set_ylabel(f"Top-1, {results.planned('accuracy')[0].at('dataset')} (%)")
    handles = [Line2D([], [], color=colors[i], linestyle="--" if i else "-") for i in range(2)]
    style.legend(figure_, handles, ["without the second", "with the second"])
    return Drawn(
        "interactions",
        "What a change does to the accuracy without and with a second one, on average over the others; lines "
        "that are not parallel are an interaction, whose size stands above with its 95 % interval.",
        figure_,
    )


def _mean(ablation: Ablation, values: Mapping[str, Mapping[Any, float]], made: Mapping[str, bool]) -> float:
    """The mean of the layouts in which these changes are made, or not."""
    chosen = [
        fmean(values[name].values())
        for row, name in zip(ablation.rows, ablation.names, strict=True)
        if name in values and all((change in row.made) == wanted for change, wanted in made.items())
    ]
    return fmean(chosen) if chosen else math.nan
