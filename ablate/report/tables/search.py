"""The front of a search, best in the first objective first; the CSV has all trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablate.report.fronts import axis_of, goals, on_front
from ablate.report.numbers import with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.run.facts import SearchFact, TrialRecord
from ablate.run.search_facts import CourseFact

_HEADS = {"number": "trial", "layout": "Layout", "text": "definition", "widths": "widths", "depths": "depths"}


@table("search", order=140)
def search_table(results: Results) -> Table | None:
    """One row a trial of the front; None without a search."""
    fact = results.knows(SearchFact)
    if fact is None or not fact.trials:
        return None
    named = goals(fact.objectives)
    trials = [trial for trial in fact.trials if not trial.repeats]
    front = on_front(trials, named)
    best = named[0]
    shown = sorted(front, key=lambda trial: best.sign * (trial.metrics.get(best.name) or math.inf))
    axes = [axis_of(goal.name, trials) for goal in named]
    spread = any(trial.spread is not None for trial in trials)
    rows = []
    for trial in shown:
        cells = [Cell(str(getattr(trial, name)), sort=_sortable(getattr(trial, name))) for name in _HEADS]
        for axis in axes:
            value = trial.metrics.get(axis.quantity.name)
            error = trial.spread if axis.quantity.repeats else None
            known = math.nan if value is None else value
            text = with_error(known / axis.scale, error, fallback_digits=axis.quantity.digits)
            cells.append(number(known, text))
        rows.append(tuple(cells))
    caption = f"{len(shown)} of {len(trials)} trials are on the front: {', '.join(fact.objectives)}."
    caption += _course(results.knows(CourseFact), trials)
    if spread and any(axis.quantity.repeats for axis in axes):
        caption += " ± is the standard deviation over seeds."
    columns = (
        *(Column(head, left=name != "number") for name, head in _HEADS.items()),
        *(Column(axis.title) for axis in axes),
    )
    on = {trial.number for trial in front}
    raw = pd.DataFrame([_raw(trial, trial.number in on) for trial in trials])
    return Table("search", "Search: the Pareto front", caption, columns, tuple(rows), raw)


def _course(course: CourseFact | None, trials: Sequence[TrialRecord]) -> str:
    """How the search went, in a few sentences."""
    if course is None:
        return ""
    parts = [
        f" {course.rate:.0%} of random points of the space ({course.space:,} in all) are within the exact "
        f"bounds; {course.beyond} proposals beyond them and {course.repeated} repeated ones used up no trial."
    ]
    if course.dial:
        parts.append("Bounds are tight: one width of a point beyond them was solved for.")
    stopped = sum(trial.status == "stopped" for trial in trials)
    if course.rungs:
        rungs = ", ".join(f"{images:,}" for images in course.rungs)
        parts.append(f"{stopped} trials were stopped by the rungs at {rungs} training images.")
    return " ".join(parts)


def _raw(trial: TrialRecord, on: bool) -> dict[str, Any]:
    record: dict[str, Any] = trial.to_json()
    metrics: dict[str, Any] = record.pop("metrics")
    metrics |= {f"accuracy_at_{images}": value for images, value in record.pop("rungs").items()}
    return record | metrics | {"on_front": on}


def _sortable(value: object) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value)
