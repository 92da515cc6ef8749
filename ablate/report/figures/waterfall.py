"""The ladder of a cumulative ablation as a waterfall: from the base, change by change, to all of them."""

from __future__ import annotations

import math
from statistics import fmean

from matplotlib.axes import Axes

from ablate.measurements.register import quantity
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.effects import ablations, effects_on
from ablate.report.evidence import samples
from ablate.report.figures.forest import color_of
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.study.ablation_layouts import Ablation


@figure("waterfall", order=46)
def waterfall_figure(results: Results) -> Drawn | None:
    """A panel a cumulative ablation, the accuracy from left to right; None without one that has values."""
    if not results.planned("accuracy"):
        return None
    drawn = [
        ablation
        for ablation in ablations(results)
        if ablation.design == "cumulative"
        and len(samples(results, quantity("accuracy"), ablation.names)) == len(ablation.names)
    ]
    if not drawn:
        return None
    figure_, panels = style.axes(len(drawn), height=3.3)
    for panel, ablation in zip(panels, drawn, strict=True):
        _draw(panel, results, ablation)
    return Drawn(
        "waterfall",
        "Accuracy while the changes are made one after another, in this order, which is part of the result; "
        "bars are the steps, whiskers their 95 % intervals, paired by seed. Grey: not resolved.",
        figure_,
    )


def _draw(panel: Axes, results: Results, ablation: Ablation) -> None:
    top1 = quantity("accuracy")
    means = [fmean(sample.values()) for sample in samples(results, top1, ablation.names).values()]
    steps = effects_on(results, ablation, top1)
    panel.plot([-0.4, 0.4], [means[0]] * 2, color=style.INK, linewidth=2)
    for place, (step, before, after) in enumerate(zip(steps, means[:-1], means[1:], strict=True), start=1):
        panel.bar(place, after - before, bottom=before, width=0.7, color=color_of(step.verdict), alpha=0.85)
        panel.plot([place - 0.6, place + 0.35], [before, before], color=style.INK, linewidth=0.7)
        if not math.isnan(step.low):
            ends = [[step.effect - step.low], [step.high - step.effect]]
            panel.errorbar(place, after, yerr=ends, color=style.INK, elinewidth=1, capsize=2)
    panel.plot([len(steps) + 0.6, len(steps) + 1.4], [means[-1]] * 2, color=style.INK, linewidth=2)
    labels = [ablation.base, *(f"+ {step.change}" for step in steps), "all"]
    panel.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    panel.set_ylabel(f"Top-1, {results.planned('accuracy')[0].at('dataset')} (%)")
