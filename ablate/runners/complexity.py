"""The exact cost of a layout, as the values of a `complexity` cell."""

from __future__ import annotations

from ablate.cost.layouts import layout_cost
from ablate.measurements.base import Progress, Task
from ablate.measurements.complexity import ComplexityCondition, ComplexityValues


def run(task: Task[ComplexityCondition], progress: Progress) -> ComplexityValues:
    """Count one forward pass of one image, and predict the memory of it and of a training step."""
    cost = layout_cost(task.layout, task.condition.resolution, channels=task.channels, classes=task.classes)
    return ComplexityValues.from_json(cost.to_json())
