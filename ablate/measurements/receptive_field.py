"""`receptive_field`: the share of the image that moves one unit of each stage, before and after training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictBool

from ablate.layout.settings import Count
from ablate.measurements.accuracy import AccuracyCondition
from ablate.measurements.accuracy_protocol import Judged, dataset_code
from ablate.measurements.auto_seeds import MOST_SEEDS
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity


class Probe(Judged):
    """What the field is measured on."""

    probes: Annotated[Count, Field(le=1024)] = Field(default=32, description="Test images that are averaged.")
    trained: StrictBool = Field(default=True, description="Also after training by this protocol.")


class ReceptiveFieldSettings(Probe):
    """The effective receptive field of every stage (Luo et al. 2016, arXiv 1701.04128)."""

    seeds: Annotated[Count, Field(le=MOST_SEEDS)] = Field(
        default=3, description="Number of repetitions, with seeds 0, 1, 2, ..."
    )


class ReceptiveFieldCondition(AccuracyCondition, Probe):
    """One network, untrained and trained with one seed. Of both bases' seeds the first's is written down."""


@dataclass(frozen=True)
class Share:
    """The smallest part of the image's area that holds a part of the gradient, in percent: the mean over
    images with its 95 % interval of Student's t, None for one image."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class StageField:
    """The field of the centre of one stage's output.

    `half` and `most` are the shares of the area that hold 50 % and 95 % of the gradient. `picture` is the
    mean over images of the gradient, each image's adding up to 1: rows of values whose sum is 1.
    """

    stage: int  # from 1
    half: Share
    most: Share
    picture: list[list[float]]


@dataclass(frozen=True)
class ReceptiveFieldValues(Values):
    """The fields of all stages, before training and, where it was asked for, after it."""

    resolution: tuple[int, int]
    images: int
    before: list[StageField]
    after: list[StageField] | None = None
    top1: float | None = None  # of the trained network

    @property
    def last(self) -> list[StageField]:
        """The fields after training, else before it."""
        return self.before if self.after is None else self.after


def _conditions(settings: ReceptiveFieldSettings, scope: Scope) -> Iterator[ReceptiveFieldCondition]:
    shared = settings.shared(Probe)
    for seed in range(settings.seeds):
        yield ReceptiveFieldCondition(seed=seed, **shared)


def _first(values: ReceptiveFieldValues) -> float | None:
    return values.last[0].most.mean if values.last else None


def _deepest(values: ReceptiveFieldValues) -> float | None:
    return values.last[-1].most.mean if values.last else None


QUANTITIES = (
    Quantity(
        "first_field", "Field, first stage", "% of area",
        "The smallest share of the image's area that holds 95 % of the gradient of the first stage's centre; "
        "after training where the network was trained. Mean over images.",
        _first, column="first_field_percent", better="neither", repeats=True,
    ),
    Quantity(
        "last_field", "Field, last stage", "% of area", "The same of the last stage.", _deepest,
        column="last_field_percent", better="neither", repeats=True,
    ),
)  # fmt: skip

RECEPTIVE_FIELD = register(
    Measurement(
        name="receptive_field",
        title="effective receptive field",
        description="How much of the image moves one unit of each stage.",
        settings=ReceptiveFieldSettings,
        condition=ReceptiveFieldCondition,
        values=ReceptiveFieldValues,
        quantities=QUANTITIES,
        runner="ablate.runners.receptive_field:run",
        where="pool",
        conditions=_conditions,
        uses_input=False,
        code=dataset_code,
        check="ablate.data.checks:check_settings",
        inspect="ablate.data.checks:inspect_settings",
        content="ablate.data.checks:content_of",
    )
)
