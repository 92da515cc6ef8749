"""`diagnostics`: accuracy on small drawn tasks that each need one ability, such as reach or recall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from ablate.layout.settings import Count
from ablate.measurements.accuracy import AccuracyCondition, AccuracyValues
from ablate.measurements.accuracy_protocol import AccuracyProtocol, dataset_code
from ablate.measurements.auto_seeds import MOST_SEEDS
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import Text, as_list, distinct
from ablate.measurements.register import register
from ablate.quantities import Quantity

Tasks: TypeAlias = Annotated[
    tuple[Text, ...],
    Field(min_length=1, max_length=64),
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=str | list[str]),
]


class DiagnosticsProtocol(AccuracyProtocol):
    """How to train on every task; the budget is one of `epochs`, `images` and `core_seconds`."""


class Diagnostics(DiagnosticsProtocol):
    """Accuracy on drawn tasks: reach, flag, texture, recall, count, position, conflict."""

    tasks: Tasks = Field(
        default=("reach", "flag", "texture", "recall", "count", "position", "conflict"),
        description="The tasks, each with its arguments: 'reach(distances=[1, 2], size=16)'.",
    )
    seeds: Annotated[Count, Field(le=MOST_SEEDS)] = Field(
        default=1, description="Number of repetitions, with seeds 0, 1, 2, ..."
    )


@dataclass(frozen=True)
class DiagnosticsValues(AccuracyValues):
    """What a run on one task gave; `groups` holds the accuracy of every difficulty."""


def _conditions(settings: Diagnostics, scope: Scope) -> Iterator[AccuracyCondition]:
    shared = settings.shared(AccuracyProtocol)
    for task in settings.tasks:
        for seed in range(settings.seeds):
            yield AccuracyCondition(dataset=task, seed=seed, **shared)


DIAGNOSTICS = register(
    Measurement(
        name="diagnostics",
        title="diagnostic tasks",
        description="Accuracy on small drawn tasks that each need one ability.",
        settings=Diagnostics,
        condition=AccuracyCondition,
        values=DiagnosticsValues,
        quantities=(
            Quantity(
                "task_accuracy", "Task accuracy", "%",
                "Share of right answers on a drawn task, over all difficulties.", "top1",
                column="task_accuracy_percent", digits=3, better="higher", repeats=True, stored="%",
                listed=False,
            ),
        ),
        runner="ablate.runners.diagnostics:run",
        where="pool",
        conditions=_conditions,
        uses_input=False,
        code=dataset_code,
        check="ablate.data.checks:check_tasks",
    )
)  # fmt: skip
