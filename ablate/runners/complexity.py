"""The exact cost of a layout, as the values of a `complexity` cell."""

from __future__ import annotations

from ablate.cost.chain import Chain
from ablate.cost.layouts import LayoutCost, layout_cost
from ablate.measurements.base import Progress, Task
from ablate.measurements.complexity import ComplexityCondition, ComplexityValues


def run(task: Task[ComplexityCondition], progress: Progress) -> ComplexityValues:
    """Count one forward pass of one image, and predict the memory of it and of a training step."""
    cost = layout_cost(task.layout, task.condition.resolution, channels=task.channels, classes=task.classes)
    return ComplexityValues.from_json(cost.to_json() | {"ran_on": ran_on(cost)})


def ran_on(cost: LayoutCost) -> str:
    """Where a layout was counted: on "meta", without data, or on the "cpu" where a part looks at values."""
    counts = (
        [link.cost for link in cost.source.links] if isinstance(cost.source, Chain) else [cost.source.count]
    )
    return "cpu" if any(count.ran_on == "cpu" for count in counts) else "meta"
