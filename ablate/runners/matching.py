"""Layouts brought to one budget, as a job: what blocks do when they are counted stays in a worker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablate.cost.match.solve import match_layouts
from ablate.measurements.base import Progress, Task
from ablate.measurements.fields import Input
from ablate.study.study import Match


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The matched layouts' settings, what changed of each, and the problems of those that cannot be."""
    condition = task.condition
    size = Input(resolution=condition["resolution"], channels=task.channels, classes=task.classes)
    match = Match.model_validate(condition["match"])
    layouts, results, problems = match_layouts(dict(task.layouts), match, size)
    return {
        "layouts": {name: layout.to_yaml_dict() for name, layout in layouts.items()},
        "rows": [result.to_json() for result in results],
        "problems": [asdict(problem) for problem in problems],
    }
