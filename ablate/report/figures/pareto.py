"""Trials of a search and their Pareto front: every pair of objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.fronts import Goal, axis_of, goals, on_front
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import GREY, RED, SKY
from ablate.run.facts import SearchFact, TrialRecord

_KINDS = (("breaks a constraint", "x", GREY), ("stopped by a rung", "+", GREY), ("feasible", "o", SKY))


@figure("pareto", order=60)
def pareto_figure(results: Results) -> Drawn | None:
    """A panel for each pair of objectives, with the front of the pair as a line; None with fewer than two."""
    fact = results.knows(SearchFact)
    if fact is None or not fact.trials:
        return None
    named = goals(fact.objectives)
    if len(named) < 2:
        return None
    trials = [trial for trial in fact.trials if not trial.repeats]
    caption = "Trials of the search and their Pareto front."
    if len(named) > 2:
        caption += (
            " Filled: the front of all objectives together; the line is the front of the two shown alone."
        )
    return Drawn("pareto", caption, _front(trials, named))


def _front(trials: Sequence[TrialRecord], named: Sequence[Goal]) -> Figure:
    front = on_front(trials, named)
    on = {trial.number for trial in front}
    groups = {
        "breaks a constraint": [trial for trial in trials if not trial.feasible],
        "stopped by a rung": [trial for trial in trials if trial.status == "stopped"],
        "feasible": [trial for trial in trials if trial.status == "done" and trial.number not in on],
    }
    pairs = list(combinations(named, 2))
    figure_, panels = style.axes(len(pairs), height=3.3)
    for panel, (first, other) in zip(panels, pairs, strict=True):
        _pair(panel, trials, groups, front, first, other)
    handles: dict[str, Any] = {}
    for panel in panels:
        handles |= {label: handle for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    style.legend(figure_, list(handles.values()), list(handles))
    return figure_


def _pair(
    panel: Axes,
    trials: Sequence[TrialRecord],
    groups: dict[str, list[TrialRecord]],
    front: Sequence[TrialRecord],
    first: Goal,
    other: Goal,
) -> None:
    across, up = axis_of(first.name, trials), axis_of(other.name, trials)
    many = len(trials) > 1000  # as pixels inside the vector files, which stay small
    for label, marker, color in _KINDS:
        x = _values(groups[label], first.name, across.scale)
        y = _values(groups[label], other.name, up.scale)
        if any(math.isfinite(a) and math.isfinite(b) for a, b in zip(x, y, strict=True)):
            options: dict[str, Any] = {"linestyle": "", "markersize": 4, "rasterized": many}
            panel.plot(x, y, marker=marker, color=color, label=label, **options)
    x, y = _values(front, first.name, across.scale), _values(front, other.name, up.scale)
    panel.plot(x, y, marker="o", color=RED, markersize=5, label="Pareto front", linestyle="")
    alone = sorted(
        zip(
            _values(on_front(trials, (first, other)), first.name, across.scale),
            _values(on_front(trials, (first, other)), other.name, up.scale),
            strict=True,
        )
    )
    step = "post" if first.minimize else "pre"
    panel.plot(
        [a for a, _ in alone], [b for _, b in alone], color=RED, linestyle="-", drawstyle=f"steps-{step}"
    )
    positive = [value for value in _values(trials, first.name, across.scale) if value > 0]
    if positive and max(positive) / min(positive) > 3:
        style.log_axis(panel, "x", positive)
    panel.set_xlabel(across.title)
    panel.set_ylabel(up.title)
    panel.margins(0.08)


def _values(trials: Sequence[TrialRecord], name: str, scale: float) -> list[float]:
    """Displayed numbers of a quantity; NaN where a trial has none."""
    known = [trial.metrics.get(name) for trial in trials]
    return [math.nan if value is None else value / scale for value in known]
