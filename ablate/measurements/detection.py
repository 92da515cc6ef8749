"""`detection`: COCO's AP of RetinaNet on a layout, over several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from ablate.measurements import dense_training as dense
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register


class DetectionProtocol(dense.DenseProtocol):
    """How RetinaNet is trained and judged."""

    task: ClassVar[Literal["detection", "segmentation"]] = "detection"
    schedule: Literal["short", "1x"] = Field(
        default="short", description="short, for ablations, or RetinaNet's published 1x."
    )


class Detection(DetectionProtocol, dense.Repeated):
    """AP of RetinaNet on boxes, over several seeds."""


class DetectionCondition(DetectionProtocol, dense.DenseCondition):
    """One training run."""


@dataclass(frozen=True)
class BoxScores:
    """COCO's box figures in percent; `None` where the set has no object of that size.

    AP is the mean over IoU 0.50 to 0.95 and over classes, at most 100 detections an image; small is below
    32^2 pixels of area, large above 96^2.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None


@dataclass(frozen=True, kw_only=True)
class DetectionValues(dense.DenseValues):
    """What a run gave."""

    scores: BoxScores


def _conditions(settings: Detection, scope: Scope) -> Iterator[DetectionCondition]:
    return dense.by_seed(settings, DetectionCondition)


QUANTITIES = (
    dense.score(
        "ap", "Box AP",
        "COCO's average precision: mean over IoU 0.50 to 0.95 and over classes, at most 100 detections an "
        "image. Mean over seeds with its 95 % interval (Student's t).", listed=True,
    ),
    dense.score("ap50", "Box AP50", "Average precision at IoU 0.50, mean over classes."),
    dense.score("ap75", "Box AP75", "Average precision at IoU 0.75, mean over classes."),
    dense.score("ap_small", "Box AP, small", "AP of objects below 32 x 32 pixels of area."),
    dense.score("ap_medium", "Box AP, medium", "AP of objects from 32 x 32 to 96 x 96 pixels of area."),
    dense.score("ap_large", "Box AP, large", "AP of objects above 96 x 96 pixels of area."),
)  # fmt: skip

DETECTION = register(
    Measurement(
        name="detection",
        title="object detection",
        description="Box AP of RetinaNet on the layout.",
        settings=Detection,
        condition=DetectionCondition,
        values=DetectionValues,
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
