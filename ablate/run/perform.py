"""One job -> its values: the layouts are made from their settings, and the job's runner is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.dotted import load
from ablate.extensions import import_file, load_installed
from ablate.layout.layout import Layout
from ablate.layout.settings import LayoutSettings
from ablate.measurements.base import Progress, Task
from ablate.measurements.register import measurement
from ablate.measurements.values import Values
from ablate.run.records import Job, Json


def prepare(job: Job) -> None:
    """Import what the job's layouts and measurement are made of. Raises what a user's file raises."""
    load_installed()
    for file in job.extensions:
        import_file(Path(file))


def perform(job: Job, progress: Progress) -> Json:
    """Run a job and return its values as plain data. Raises whatever the runner raises."""
    prepare(job)
    layouts = {
        name: Layout.from_settings(LayoutSettings.model_validate(settings), name, check=False)
        for name, settings in job.layouts.items()
    }
    condition: Any = (
        measurement(job.kind).condition.model_validate(job.condition) if job.kind else job.condition
    )
    task: Task[Any] = Task(
        layouts,
        condition,
        channels=job.channels,
        classes=job.classes,
        baseline=job.baseline,
        process=job.process,
        facts=job.facts,
        folder=job.folder,
    )
    values = load(job.runner)(task, progress)
    return values.to_json() if isinstance(values, Values) else dict(values)
