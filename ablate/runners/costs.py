"""Some exact costs of a layout, as a job: what a search asks of every proposal, and no more than that."""

from __future__ import annotations

from typing import Any

from ablate.cost.layouts import layout_cost
from ablate.measurements.base import Progress, Task
from ablate.measurements.complexity import ComplexityValues
from ablate.measurements.register import quantity

_CHEAP = {"params", "macs", "flops", "elementwise", "bytes", "activations", "training_macs"}


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """Stored numbers of `condition["quantities"]` at `condition["resolution"]`, by name."""
    names = task.condition["quantities"]
    size = task.condition["resolution"]
    cost = layout_cost(task.layout, size, channels=task.channels, classes=task.classes)
    if set(names) <= _CHEAP:  # memory takes longer than all the rest
        return {name: float(getattr(cost, name)) for name in names}
    values = ComplexityValues.from_json(cost.to_json())
    return {name: quantity(name, "complexity").value(values) for name in names}
