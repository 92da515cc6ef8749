"""What other counters say about a layout, and its published figures, as the values of an `audit` cell."""

from __future__ import annotations

from dataclasses import asdict

from ablate.cost.audit import audit
from ablate.layout.timm_model import TimmModel
from ablate.measurements.audit import AuditCondition, AuditValues, PublishedRow
from ablate.measurements.base import Progress, Task
from ablate.published.causes import Row, explain
from ablate.published.record import SOURCE, figures
from ablate.published.recount import Store


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
    # published figures belong to the forward pass, each at its own resolution: they are compared once
    first = condition.mode == "as-called" and not condition.training
    rows = published(layout.model) if first and isinstance(layout, TimmModel) else []
    return AuditValues.from_json(table.to_json() | {"published": [asdict(row) for row in rows]})


def published(model: str) -> list[PublishedRow]:
    """What timm publishes of a model, at every size, beside the count and with the cause of a difference."""
    store = Store()
    rows = [explain(figure, store) for figure in figures() if figure.model == model]
    return [
        _row(row, row.macs, row.params) for row in rows if row.macs is not None and row.params is not None
    ]


def _row(row: Row, macs: int, params: int) -> PublishedRow:
    figure = row.figure
    return PublishedRow(
        model=figure.model,
        resolution=figure.resolution,
        published_params_m=figure.params_m,
        params=params,
        params_agree=bool(row.params_agree),
        published_gmacs=figure.gmacs,
        macs=macs,
        error_percent=100.0 * (macs / 1e9 - figure.gmacs) / figure.gmacs,
        reason=row.cause,
        reproduced_macs=row.again,
        explanation=row.explanation,
        source=SOURCE,
    )
