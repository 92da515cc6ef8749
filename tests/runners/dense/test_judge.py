"""AP against pycocotools on random boxes with crowds, mIoU against a confusion matrix by hand."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from ablate.data.dense.samples import DetectionSample
from ablate.errors import AblateError
from ablate.runners.dense.judge import Detections, MaskJudge, box_scores, ground_truth, results


def random_boxes(random: np.random.Generator, count: int, scale: float) -> torch.Tensor:
    corner = random.uniform(0, 200, (count, 2))
    size = random.uniform(1, scale, (count, 2))
    return torch.tensor(np.concatenate([corner, corner + size], 1), dtype=torch.float32)


def random_case(seed: int) -> tuple[list[DetectionSample], list[Detections]]:
    """Detections near the truth, far from it, doubled and tied; a fifth of the truth is crowds."""
    random = np.random.default_rng(seed)
    samples, detections = [], []
    for image_id in range(1, 13):
        count = int(random.integers(0, 9))
        boxes = random_boxes(random, count, 150)
        sides = boxes[:, 2:] - boxes[:, :2]
        labels = torch.tensor(random.integers(0, 4, count), dtype=torch.int64)
        crowd = torch.tensor(random.random(count) < 0.2)
        image = torch.zeros((3, 360, 360), dtype=torch.uint8)
        samples.append(DetectionSample(image, boxes, labels, sides.prod(1) * 0.7, crowd, image_id))
        near = boxes + torch.tensor(random.normal(0, 6, tuple(boxes.shape)), dtype=torch.float32)
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2] + 1)
        every = torch.cat([near, near.clone(), random_boxes(random, 130 * (image_id == 5) + 3, 80)])
        names = torch.tensor(random.integers(0, 4, len(every)), dtype=torch.int64)
        names[:count] = labels
        scores = torch.tensor(random.integers(0, 40, len(every)) / 40, dtype=torch.float32)
        detections.append(Detections(every, scores, names))
    return samples, detections


@pytest.mark.parametrize("seed", range(4))
def test_ap_is_cocos(seed: int) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    samples, detections = random_case(seed)
    truth = ground_truth(samples, "abcd")
    rows = results(detections, [sample.image_id for sample in samples])
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        judge = COCOeval(known, known.loadRes([dict(row) for row in rows]), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    scores = box_scores(truth, rows)
    ours = [scores.ap, scores.ap50, scores.ap75, scores.ap_small, scores.ap_medium, scores.ap_large]
    oracle = [None if value < 0 else 100 * value for value in judge.stats[:6]]
    assert sum(annotation["iscrowd"] for annotation in truth["annotations"]) > 3
    assert 5 < scores.ap < 95
    for own, expected in zip(ours, oracle, strict=True):
        assert own == (None if expected is None else pytest.approx(expected, abs=1e-12 * 100))


def test_perfect_silent_and_empty() -> None:
    samples, _ = random_case(0)
    truth = ground_truth(samples, "abcd")
    perfect = [
        Detections(s.boxes[~s.crowd], torch.ones(int((~s.crowd).sum())), s.labels[~s.crowd]) for s in samples
    ]
    assert box_scores(truth, results(perfect, [s.image_id for s in samples])).ap == pytest.approx(100)
    silent = box_scores(truth, [])
    assert (silent.ap, silent.ap_medium) == (0, 0)
    with pytest.raises(AblateError, match="no object"):
        box_scores({**truth, "annotations": []}, [])


def test_miou_by_hand() -> None:
    random = np.random.default_rng(3)
    judge = MaskJudge(["a", "b", "c", "absent"])
    matrix = np.zeros((4, 4))
    for shape in ((7, 9), (30, 4)):
        truth = random.integers(0, 3, shape)
        predicted = np.where(random.random(shape) < 0.6, truth, random.integers(0, 3, shape))
        truth[random.random(shape) < 0.1] = 255
        judge.add(torch.tensor(truth), torch.tensor(predicted))
        for row, column in zip(truth.ravel(), predicted.ravel(), strict=True):
            if row != 255:
                matrix[row, column] += 1
    scores = judge.scores()
    hits = np.diag(matrix)[:3]
    iou = hits / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix))[:3]
    assert scores.miou == pytest.approx(100 * iou.mean(), abs=1e-10)
    assert scores.pixel_accuracy == pytest.approx(100 * hits.sum() / matrix.sum(), abs=1e-10)
    assert scores.class_accuracy == pytest.approx(100 * (hits / matrix.sum(1)[:3]).mean(), abs=1e-10)
    assert list(scores.iou) == ["a", "b", "c", "absent"]
    assert scores.iou["absent"] is None
    assert scores.iou["b"] == pytest.approx(100 * iou[1])


def test_nothing_to_judge() -> None:
    judge = MaskJudge(["a", "b"])
    judge.add(torch.full((4, 4), 255), torch.zeros(4, 4))
    with pytest.raises(AblateError, match="no pixel"):
        judge.scores()
