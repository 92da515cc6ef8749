"""`variance`: one training run with a seed each for initial weights, data order and augmentation.

Made by `ablate variance`, which asks where the spread of an accuracy comes from; a study file has no section.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from ablate.layout.settings import Count
from ablate.measurements.accuracy import AccuracyValues
from ablate.measurements.accuracy_protocol import Judged, dataset_code
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register
from ablate.quantities import Quantity

COMPONENTS = ("weights", "order", "augmentation")
"""The sources of chance that are told apart; dropout and stochastic depth go with the augmentation."""


class Variance(Judged):
    """How many runs."""

    runs: Annotated[Count, Field(ge=2)] = Field(
        default=5, description="Runs in which everything varies, and in each group of each component."
    )
    groups: Count = Field(default=1, description="Groups, each with other values of what is held fixed.")


class VarianceCondition(Judged):
    """One training run; a seed for each source of chance."""

    weights_seed: Annotated[int, Field(ge=0)] = 0
    order_seed: Annotated[int, Field(ge=0)] = 0
    augmentation_seed: Annotated[int, Field(ge=0)] = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order of `COMPONENTS`."""
        return self.weights_seed, self.order_seed, self.augmentation_seed


def _conditions(settings: Variance, scope: Scope) -> Iterator[VarianceCondition]:
    from ablate.statistics.variance import variance_runs  # scipy, which a study file is read without

    shared = settings.shared(Judged)
    runs = variance_runs(COMPONENTS, settings.runs, settings.groups)
    for seeds in dict.fromkeys(tuple(run.seeds[name] for name in COMPONENTS) for run in runs):
        own: dict[str, Any] = {f"{name}_seed": seed for name, seed in zip(COMPONENTS, seeds, strict=True)}
        yield VarianceCondition(**shared, **own)


VARIANCE = register(
    Measurement(
        name="variance",
        title="where the spread of accuracies comes from",
        settings=Variance,
        condition=VarianceCondition,
        values=AccuracyValues,
        quantities=(
            Quantity(
                "varied_accuracy", "Top-1, one source varied", "%",
                "Top-1 of a run with its own seed for each source of chance.", "top1",
                column="varied_top1_percent", digits=4, better="higher", stored="%", listed=False,
            ),
        ),
        runner="ablate.runners.accuracy:run",
        where="pool",
        conditions=_conditions,
        uses_input=False,
        code=dataset_code,
        file_section=False,
    )
)  # fmt: skip
