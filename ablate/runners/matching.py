"""Layouts brought to their budgets, as a job: what blocks do when they are counted stays in a worker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablate.cost.match.solve import match_layouts
from ablate.measurements.base import Progress, Task
from ablate.measurements.fields import Input
from ablate.study.match import Match


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The matched layouts' settings, what changed of each, and the problems of those that cannot be."""
    condition = task.condition
    size = Input(resolution=condition["resolution"], channels=task.channels, classes=task.classes)
    record: dict[str, Any] = {"layouts": {}, "rows": [], "problems": []}
    for name, budget in condition["budgets"].items():
        match = Match.model_validate(budget)
        layouts, results, problems = match_layouts({name: task.layouts[name]}, match, size)
        record["layouts"][name] = layouts[name].to_yaml_dict()
        record["rows"] += [result.to_json() for result in results]
        record["problems"] += [asdict(problem) for problem in problems]
    return record
