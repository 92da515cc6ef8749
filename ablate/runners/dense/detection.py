"""Detection: RetinaNet trained and judged on boxes.

Anchors, matching, focal and L1 loss, decoding and non-maximum suppression are torchvision's. It averages the
losses of a batch over images where mmdetection, which published the schedules, averages over all positive
anchors of the batch; batch norms of the backbone are trained.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from ablate.data.dense.samples import DenseDataset, DetectionSample
from ablate.dense.models import RetinaNetModel
from ablate.dense.pyramid import STRIDES, Pyramid
from ablate.measurements.detection import BoxScores
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.dense.judge import Detections, box_scores, ground_truth, results
from ablate.runners.dense.schedules import Schedule
from ablate.runners.dense.transforms import at_test_size

SIZES = 3
"""Sizes of the anchors of a level, within one octave."""

DETECTIONS = 100
"""Detections of one image that are judged, as COCO does."""


class _Maps(nn.Module):
    """Backbone and neck as torchvision wants them: maps by name, and how many channels they have."""

    def __init__(self, model: RetinaNetModel, dim: int):
        super().__init__()
        self.model = model
        self.out_channels = dim

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {str(level): features for level, features in enumerate(self.model.features(images))}


class _Head(nn.Module):
    """The head with its output in float32, in which the losses are computed whatever the precision is."""

    def __init__(self, head: Any):
        super().__init__()
        self.head = head

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        return {name: value.float() for name, value in self.head(maps).items()}

    def compute_loss(self, *arguments: Any) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.head.compute_loss(*arguments)
        return losses


class _Normalise(GeneralizedRCNNTransform):
    """torchvision's way from images to a batch, without its resizing: images come at their size."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


def retinanet(backbone: Pyramid, classes: int, schedule: Schedule) -> RetinaNetModel:
    """RetinaNet with the neck and the head of a schedule."""
    return RetinaNetModel(
        backbone,
        classes,
        schedule.neck_dim,
        anchors=SIZES * len(schedule.ratios),
        convolutions=schedule.convolutions,
        groups=schedule.groups,
        prior=schedule.prior,
    )


class Detector:
    """RetinaNet on a device: the loss of a training batch, and detections in images."""

    def __init__(
        self,
        model: RetinaNetModel,
        dataset: DenseDataset[DetectionSample],
        schedule: Schedule,
        precision: str,
        device: str,
    ):
        self.device, self.precision, self.schedule = devices.resolve(device), precision, schedule
        sides = [schedule.anchor * stride for stride in (*STRIDES[1:], 64, 128)]
        sizes = tuple(tuple(round(side * 2 ** (n / SIZES)) for n in range(SIZES)) for side in sides)
        anchors = AnchorGenerator(sizes, (schedule.ratios,) * len(sizes))  # type: ignore[no-untyped-call]
        self.net: nn.Module = RetinaNet(  # type: ignore[no-untyped-call]
            _Maps(model, schedule.neck_dim),
            num_classes=len(dataset.classes),
            anchor_generator=anchors,
            head=_Head(model.head),
            detections_per_img=DETECTIONS,
            topk_candidates=schedule.candidates,
        )
        self.net.transform = _Normalise(0, 0, list(dataset.mean), list(dataset.std), schedule.divisor)
        self.net.to(self.device)

    def loss(self, batch: list[tuple[Tensor, dict[str, Tensor]]]) -> Tensor:
        """Focal loss of the classes plus L1 loss of the boxes."""
        images = [image.to(self.device) for image, _ in batch]
        targets = [{name: value.to(self.device) for name, value in target.items()} for _, target in batch]
        with devices.autocast(self.precision, self.device), training_kernels(self.precision, self.device):
            losses: dict[str, Tensor] = self.net(images, targets)
        return torch.stack(list(losses.values())).sum()

    @torch.inference_mode()
    def detect(self, sample: DetectionSample) -> Detections:
        """The detections in one test image, in its own pixels."""
        self.net.eval()
        image, wider, higher = at_test_size(sample, self.schedule)
        with devices.autocast(self.precision, self.device), training_kernels(self.precision, self.device):
            (detections,) = self.net([image.to(self.device)])
        scale = torch.tensor([wider, higher, wider, higher])
        return Detections(
            detections["boxes"].float().cpu() / scale,
            detections["scores"].float().cpu(),
            detections["labels"].cpu(),
        )

    def judge(self, dataset: DenseDataset[DetectionSample]) -> BoxScores:
        """COCO's figures on the test split."""
        samples, detections = [], []
        for index in range(len(dataset.test)):
            sample = dataset.test[index]
            detections.append(self.detect(sample))
            samples.append(_without_pixels(sample))
        truth = ground_truth(samples, dataset.classes)
        return box_scores(truth, results(detections, [sample.image_id for sample in samples]))


def _without_pixels(sample: DetectionSample) -> DetectionSample:
    """The sample with an image that takes no memory, for its size alone."""
    empty = torch.empty(sample.image.shape, device="meta")
    return DetectionSample(empty, sample.boxes, sample.labels, sample.areas, sample.crowd, sample.image_id)
