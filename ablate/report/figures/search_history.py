"""How a search went on: its best value, or with several objectives the volume that its front dominates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from matplotlib.figure import Figure

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.fronts import Goal, axis_of, goals, volumes
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import GREY, RED, SKY
from ablate.run.facts import SearchFact, TrialRecord


@figure("search_history", order=61)
def search_history_figure(results: Results) -> Drawn | None:
    """The optimisation history; None without a search."""
    fact = results.knows(SearchFact)
    if fact is None or not fact.trials:
        return None
    trials = [trial for trial in fact.trials if not trial.repeats]
    named = goals(fact.objectives)
    if len(named) == 1:
        return Drawn(
            "search_history", "Trials of the search, and the best so far.", _progress(trials, named[0])
        )
    caption = (
        "Hypervolume that the front dominates after each trial, as a share of the box between the best and "
        "the worst value of every objective among the finished trials."
    )
    return Drawn("search_history", caption, _hypervolume(volumes(trials, named)))


def _hypervolume(curve: Sequence[float]) -> Figure:
    figure_, (panel,) = style.axes()
    panel.plot(range(1, len(curve) + 1), curve, "-", drawstyle="steps-post", color=RED)
    panel.set_xlabel("Trials")
    panel.set_ylabel("Hypervolume (share)")
    panel.set_ylim(bottom=0)
    return figure_


def _progress(trials: Sequence[TrialRecord], goal: Goal) -> Figure:
    axis = axis_of(goal.name, trials)
    figure_, (panel,) = style.axes()
    groups = {
        "breaks a constraint": ("x", GREY, [trial for trial in trials if not trial.feasible]),
        "stopped by a rung": ("+", GREY, [trial for trial in trials if trial.status == "stopped"]),
        "feasible": ("o", SKY, [trial for trial in trials if trial.status == "done"]),
    }
    order = {trial.number: place for place, trial in enumerate(trials, start=1)}
    for label, (marker, color, shown) in groups.items():
        if shown:
            numbers = [order[trial.number] for trial in shown]
            panel.plot(
                numbers, _values(shown, goal.name, axis.scale), marker, color=color, markersize=4, label=label
            )
    usable = [
        (order[trial.number], value / axis.scale)
        for trial in trials
        if trial.feasible and trial.status == "done" and (value := trial.metrics.get(goal.name)) is not None
    ]
    best = list(accumulate((value for _, value in usable), min if goal.minimize else max))
    panel.plot(
        [place for place, _ in usable], best, "-", drawstyle="steps-post", color=RED, label="best so far"
    )
    panel.set_xlabel("Trials")
    panel.set_ylabel(axis.title)
    style.legend(figure_, *panel.get_legend_handles_labels())
    return figure_


def _values(trials: Sequence[TrialRecord], name: str, scale: float) -> list[float]:
    known = [trial.metrics.get(name) for trial in trials]
    return [math.nan if value is None else value / scale for value in known]
