"""`rung`: accuracy on the way, of a training that can go on from there. For searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ablate.layout.settings import Model
from ablate.measurements.accuracy import ACCURACY, Accuracy, AccuracyCondition, AccuracyValues
from ablate.measurements.accuracy_protocol import Count64
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register
from ablate.quantities import Quantity


class StoppedAccuracy(Accuracy):
    """An accuracy schedule with the images seen after which its trainings stop."""

    stops: tuple[Count64, ...] = ()


class RungCondition(AccuracyCondition):
    """One training run, stopped on its way."""

    stop: Count64


def _complete(settings: StoppedAccuracy | None, others: Mapping[str, Model]) -> StoppedAccuracy | None:
    """Asked for by the settings of `accuracy`, where they say stops."""
    accuracy = others.get("accuracy")
    return accuracy if isinstance(accuracy, StoppedAccuracy) and accuracy.stops else None


def _conditions(settings: StoppedAccuracy, scope: Scope) -> Iterator[RungCondition]:
    for stop in settings.stops:
        for condition in ACCURACY.conditions(settings, scope):
            yield RungCondition(**dict(condition), stop=stop)


RUNG = register(
    Measurement(
        name="rung",
        title="accuracy on the way",
        description="Top-1 accuracy of trainings that were stopped on their way.",
        settings=StoppedAccuracy,
        condition=RungCondition,
        values=AccuracyValues,
        quantities=(
            Quantity(
                "rung_accuracy", "Top-1 on the way", "%",
                "Top-1 in the middle of the schedule, where a search compares its trials.",
                "top1", column="rung_top1_percent", digits=4, better="higher", repeats=True, stored="%",
                listed=False,
            ),
        ),
        runner="ablate.runners.rung:run",
        where="pool",
        conditions=_conditions,
        uses_input=False,
        code=lambda condition: ACCURACY.code(condition),
        complete=_complete,
        file_section=False,
    )
)  # fmt: skip
