"""What the drawing of one layout shows, as a job: reach is measured with real blocks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablate.measurements.base import Progress, Task
from ablate.model.diagram import columns


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The name and the columns of the layout's drawing, for `resolution` pixels. Raises what blocks raise."""
    layout = task.layout
    drawn = columns(layout, task.condition["resolution"], task.channels)
    return {"layout": layout.name, "columns": [asdict(column) for column in drawn]}
