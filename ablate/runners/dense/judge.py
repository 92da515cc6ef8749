"""AP and mIoU: COCO's and the mIoU of semantic segmentation, both by hotcoco."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ablate.data.dense.samples import IGNORED, DetectionSample
from ablate.errors import AblateError
from ablate.measurements.detection import BoxScores
from ablate.measurements.segmentation import MaskScores


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image: `boxes` `(n, 4)` as in `DetectionSample`, `scores`, `labels`."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def ground_truth(samples: Sequence[DetectionSample], classes: Sequence[str]) -> dict[str, Any]:
    """Samples as COCO's dictionary; category k + 1 is class k."""
    annotations: list[dict[str, Any]] = []
    images = []
    for sample in samples:
        height, width = sample.image.shape[-2:]
        images.append({"id": sample.image_id, "height": height, "width": width})
        rows = zip(
            sample.boxes.double().tolist(),
            sample.labels.tolist(),
            sample.areas.tolist(),
            sample.crowd.tolist(),
            strict=True,
        )
        for (left, top, right, bottom), label, area, crowd in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": sample.image_id,
                    "category_id": label + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": area,
                    "iscrowd": int(crowd),
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def results(detections: Sequence[Detections], image_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Detections as COCO's list of results, boxes as left, top, width, height."""
    return [
        {
            "image_id": image_id,
            "category_id": label + 1,
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        for image_id, own in zip(image_ids, detections, strict=True)
        for (left, top, right, bottom), score, label in zip(
            own.boxes.double().tolist(), own.scores.double().tolist(), own.labels.tolist(), strict=True
        )
    ]


def box_scores(truth: dict[str, Any], detections: list[dict[str, Any]]) -> BoxScores:
    """COCO's figures of some results against `ground_truth`. Raises `AblateError` when there is no object."""
    import hotcoco

    if not any(not annotation["iscrowd"] for annotation in truth["annotations"]):
        raise AblateError("there is no object to find in the test images")
    if not detections:  # a detector that is silent
        nothing = [0.0 if _some(truth, low, high) else None for low, high in SIZES]
        return BoxScores(0.0, 0.0, 0.0, *nothing)
    known = hotcoco.COCO(truth)
    judge = hotcoco.COCOeval(known, known.load_res(detections), "bbox")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its table
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    ap, ap50, ap75, small, medium, large = (float(value) for value in judge.stats[:6])
    sized = [
        None if value < 0 else 100 * value for value in (small, medium, large)
    ]  # -1 says that none is there
    return BoxScores(100 * ap, 100 * ap50, 100 * ap75, *sized)


SIZES = ((0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Areas of small, medium and large objects, square pixels, both ends included as COCO does."""


def _some(truth: dict[str, Any], low: float, high: float) -> bool:
    return any(low <= a["area"] <= high and not a["iscrowd"] for a in truth["annotations"])


class MaskJudge:
    """Collects label maps and gives `MaskScores`; `IGNORED` pixels of the truth do not count."""

    def __init__(self, classes: Sequence[str]):
        from hotcoco.semantic import SemanticEval

        self._judge = SemanticEval(list(classes), ignore_index=IGNORED)
        self._classes = tuple(classes)

    def add(self, truth: Tensor, predicted: Tensor) -> None:
        """One image's labels `(H, W)`, true and predicted."""
        self._judge.update(_array(truth), _array(predicted))

    def scores(self) -> MaskScores:
        """The figures over everything that was added. Raises `AblateError` when no pixel has a label."""
        confusion = self._judge.confusion().astype(np.float64)
        if not confusion.sum():
            raise AblateError("no pixel of the test masks has a label")
        record = self._judge.report()
        metrics = record["metrics"]
        union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
        iou = {
            name: 100 * float(hit / whole) if whole else None
            for name, hit, whole in zip(self._classes, np.diag(confusion), union, strict=True)
        }
        return MaskScores(
            100 * float(metrics["mIoU"]), 100 * float(metrics["mAcc"]), 100 * float(metrics["aAcc"]), iou
        )


def _array(labels: Tensor) -> npt.NDArray[np.int64]:
    array: npt.NDArray[np.int64] = labels.cpu().numpy().astype(np.int64)
    return array
