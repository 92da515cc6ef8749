"""Trials of a search and their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.fronts import Goal, axis_of, goals, on_front
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import GREY, RED, SKY
from ablate.run.facts import SearchFact, TrialRecord


@figure("pareto", order=60)
def pareto_figure(results: Results) -> Drawn | None:
    """The first objective against each other one; with one objective its progress over trials."""
    fact = results.knows(SearchFact)
    if fact is None or not fact.trials:
        return None
    trials = [trial for trial in fact.trials if not trial.repeats]
    named = goals(fact.objectives)
    drawn = _progress(trials, named[0]) if len(named) == 1 else _front(trials, named)
    return Drawn("pareto", "Trials of the search and their Pareto front.", drawn)


def _front(trials: Sequence[TrialRecord], named: Sequence[Goal]) -> Figure:
    front = on_front(trials, named)
    on = {trial.number for trial in front}
    groups = {
        "breaks a constraint": [trial for trial in trials if not trial.feasible],
        "feasible": [trial for trial in trials if trial.feasible and trial.number not in on],
    }
    marks = {"breaks a constraint": ("x", GREY), "feasible": ("o", SKY)}
    first = axis_of(named[0].name, trials)
    figure_, panels = style.axes(len(named) - 1, height=3.3)
    for panel, other in zip(panels, named[1:], strict=True):
        axis = axis_of(other.name, trials)
        many = len(trials) > 1000  # as pixels inside the vector files, which stay small
        for label, (marker, color) in marks.items():
            x = _values(groups[label], named[0].name, first.scale)
            y = _values(groups[label], other.name, axis.scale)
            if any(math.isfinite(a) and math.isfinite(b) for a, b in zip(x, y, strict=True)):
                options: dict[str, Any] = {"linestyle": "", "markersize": 4, "rasterized": many}
                panel.plot(x, y, marker=marker, color=color, label=label, **options)
        points = sorted(
            zip(
                _values(front, named[0].name, first.scale),
                _values(front, other.name, axis.scale),
                strict=True,
            )
        )
        step = "post" if named[0].minimize else "pre"
        panel.plot(
            [x for x, _ in points],
            [y for _, y in points],
            marker="o",
            color=RED,
            markersize=5,
            label="Pareto front",
            linestyle="-" if len(named) == 2 else "",
            drawstyle=f"steps-{step}",
        )
        positive = [x for x in _values(trials, named[0].name, first.scale) if x > 0]
        if positive and max(positive) / min(positive) > 3:
            style.log_axis(panel, "x", positive)
        panel.set_xlabel(first.title)
        panel.set_ylabel(axis.title)
        panel.margins(0.08)
    style.legend(figure_, *panels[0].get_legend_handles_labels())
    return figure_


def _progress(trials: Sequence[TrialRecord], goal: Goal) -> Figure:
    axis = axis_of(goal.name, trials)
    figure_, (panel,) = style.axes()
    for label, feasible, marker, color in (
        ("breaks a constraint", False, "x", GREY),
        ("feasible", True, "o", SKY),
    ):
        shown = [trial for trial in trials if trial.feasible == feasible]
        numbers = [trial.number for trial in shown]
        panel.plot(
            numbers, _values(shown, goal.name, axis.scale), marker, color=color, markersize=4, label=label
        )
    usable = [
        (trial.number, value / axis.scale)
        for trial in trials
        if trial.feasible and (value := trial.metrics.get(goal.name)) is not None
    ]
    best = list(accumulate((value for _, value in usable), min if goal.minimize else max))
    numbers = [number for number, _ in usable]
    panel.plot(numbers, best, "-", drawstyle="steps-post", color=RED, label="best so far")
    panel.set_xlabel("Trial")
    panel.set_ylabel(axis.title)
    style.legend(figure_, *panel.get_legend_handles_labels())
    return figure_


def _values(trials: Sequence[TrialRecord], name: str, scale: float) -> list[float]:
    """Displayed numbers of a quantity; NaN where a trial has none."""
    known = [trial.metrics.get(name) for trial in trials]
    return [math.nan if value is None else value / scale for value in known]
