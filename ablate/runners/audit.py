"""What other counters say about a layout, and its published figures, as the values of an `audit` cell."""

from __future__ import annotations

from ablate.cost.audit import audit
from ablate.cost.audit.published import compare_published, published
from ablate.measurements.audit import AuditCondition, AuditValues
from ablate.measurements.base import Progress, Task


def run(task: Task[AuditCondition], progress: Progress) -> AuditValues:
    """One model through every tool; the published figures of a timm model are compared once."""
    layout, condition = task.layout, task.condition
    table = audit(
        lambda: layout.build(task.classes, task.channels, resolution=condition.resolution),
        condition.resolution,
        channels=task.channels,
        mode=condition.mode,
        training=condition.training,
        name=layout.name,
    )
    # a published figure belongs to the forward pass, at its own resolution: it is compared once
    first = condition.mode == "as-called" and not condition.training
    figures = [figure for figure in published() if first and f"timm:{figure.model}" == layout.text]
    rows = [row.to_json() for row in compare_published(figures)]
    return AuditValues.from_json(table.to_json() | {"published": rows})
