"""Scores of diagnostic tasks: the mean over seeds by layout, task and difficulty."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.measurements.diagnostics import DiagnosticsValues
from ablate.report.results import Results
from ablate.statistics.seeds import Summary, summarize


@dataclass(frozen=True)
class Score:
    """One layout on one task: all difficulties together, and each by itself, in percent."""

    layout: str
    task: str
    overall: Summary
    groups: dict[str, Summary]


def scores(results: Results) -> list[Score]:
    """Every layout on every task of which a run is finished, in the order of the plan."""
    known = []
    for condition in results.conditions("diagnostics", ("dataset",)):
        task = str(condition["dataset"])
        for layout in results.layouts:
            runs = [
                record.values
                for record in results.done("diagnostics", layout=layout, dataset=task)
                if isinstance(record.values, DiagnosticsValues)
            ]
            if runs:
                groups = {
                    name: summarize([run.groups[name] for run in runs if name in run.groups])
                    for name in dict.fromkeys(name for run in runs for name in run.groups)
                }
                known.append(Score(layout, task, summarize([run.top1 for run in runs]), groups))
    return known


def short(task: str) -> str:
    """A task's name without its arguments."""
    return task.partition("(")[0]
