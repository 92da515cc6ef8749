"""`segmentation`: mIoU of Semantic FPN on a layout, over several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from ablate.measurements import dense_training as dense
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register


class SegmentationProtocol(dense.DenseProtocol):
    """How Semantic FPN is trained and judged."""

    task: ClassVar[Literal["detection", "segmentation"]] = "segmentation"
    schedule: Literal["short", "40k"] = Field(
        default="short", description="short, for ablations, or Semantic FPN's published 40k."
    )


class Segmentation(SegmentationProtocol, dense.Repeated):
    """mIoU of Semantic FPN on masks, over several seeds."""


class SegmentationCondition(SegmentationProtocol, dense.DenseCondition):
    """One training run."""


@dataclass(frozen=True)
class MaskScores:
    """In percent: mean IoU over the classes that occur, mean class accuracy, pixel accuracy; IoU by class.

    `None` for a class that is neither in the test masks nor predicted.
    """

    miou: float
    class_accuracy: float
    pixel_accuracy: float
    iou: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class SegmentationValues(dense.DenseValues):
    """What a run gave."""

    scores: MaskScores


def _conditions(settings: Segmentation, scope: Scope) -> Iterator[SegmentationCondition]:
    return dense.by_seed(settings, SegmentationCondition)


QUANTITIES = (
    dense.score(
        "miou", "mIoU",
        "Intersection over union, mean over the classes that occur, over all test pixels. Mean over seeds "
        "with its 95 % interval (Student's t).", listed=True,
    ),
    dense.score("pixel_accuracy", "Pixel accuracy", "Share of labelled test pixels whose class is right."),
    dense.score("class_accuracy", "Class accuracy", "Mean over classes of the share of right pixels."),
)  # fmt: skip

SEGMENTATION = register(
    Measurement(
        name="segmentation",
        title="semantic segmentation",
        description="mIoU of Semantic FPN on the layout.",
        settings=Segmentation,
        condition=SegmentationCondition,
        values=SegmentationValues,
        quantities=QUANTITIES,
        runner="ablate.runners.dense.run:run",
        where="pool",
        conditions=_conditions,
        work=dense.work,
        uses_input=False,  # channels and classes are the set's
        packages=dense.PACKAGES,
        code=dense.code_of,
        content=dense.CONTENT,
        complete=dense.with_accuracy,
        warnings=dense.seed_warnings,
        check=dense.CHECK,
        inspect=dense.INSPECT,
    )
)
