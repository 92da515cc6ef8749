"""One training run on one diagnostic task."""

from __future__ import annotations

from ablate.measurements.accuracy import AccuracyCondition
from ablate.measurements.base import Progress, Task
from ablate.measurements.diagnostics import DiagnosticsValues
from ablate.runners import accuracy


def run(task: Task[AccuracyCondition], progress: Progress) -> DiagnosticsValues:
    """The accuracy of one layout on one task, by difficulty."""
    return DiagnosticsValues.from_json(accuracy.run(task, progress).to_json())
