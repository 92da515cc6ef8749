"""Segmentation: Semantic FPN trained and judged on masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.data.dense.samples import IGNORED, DenseDataset, SegmentationSample
from ablate.dense.models import SemanticFPNModel
from ablate.measurements.segmentation import MaskScores
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.dense.judge import MaskJudge
from ablate.runners.dense.schedules import Schedule
from ablate.runners.dense.transforms import aligned


def class_weights(labels: Tensor, classes: int, power: float) -> Tensor:
    """Weights float32 `(classes,)` of a batch's labels: share of the labelled pixels to minus `power`.

    A class that the batch lacks weighs nothing.
    """
    counts = torch.bincount(labels[labels != IGNORED], minlength=classes).float()
    shares = counts / counts.sum().clamp(min=1)
    return torch.where(counts > 0, shares.clamp(min=1e-12) ** -power, torch.zeros_like(shares))


class Segmenter:
    """Semantic FPN on a device: the loss of a training batch, and label maps of images."""

    def __init__(
        self,
        model: SemanticFPNModel,
        dataset: DenseDataset[SegmentationSample],
        schedule: Schedule,
        precision: str,
        device: str,
        channels_last: bool = True,
    ):
        self.device, self.precision, self.schedule = devices.resolve(device), precision, schedule
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.net = model.to(self.device).to(memory_format=self.format)
        self.mean = torch.tensor(dataset.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(dataset.std, device=self.device).view(1, 3, 1, 1)

    def logits(self, images: Tensor) -> Tensor:
        """uint8 images `(B, 3, H, W)` -> float32 logits `(B, classes, H, W)`."""
        pixels = (images.to(self.device).float() / 255 - self.mean) / self.std
        with devices.autocast(self.precision, self.device), training_kernels(self.precision, self.device):
            output: Tensor = self.net(pixels.contiguous(memory_format=self.format))
        return output.float()

    def loss(self, batch: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Cross-entropy, summed over the labelled pixels and divided by all, as in the published training.

        With a `balance`, pixels weigh by their class, and the sum is divided by that of the weights: most of
        a composed image is ground, which a short run would otherwise learn alone.
        """
        images = torch.stack([image for image, _ in batch])
        labels = torch.stack([mask for _, mask in batch]).to(self.device).long()
        logits = self.logits(images)
        if not self.schedule.balance:
            return F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum") / labels.numel()
        weights = class_weights(labels, logits.shape[1], self.schedule.balance)
        return F.cross_entropy(logits, labels, weights, ignore_index=IGNORED)

    @torch.inference_mode()
    def label(self, sample: SegmentationSample) -> Tensor:
        """The most likely class of every pixel of one test image, `(H, W)` of its mask."""
        self.net.eval()
        logits = self.logits(aligned(sample.image, self.schedule).unsqueeze(0))
        if logits.shape[-2:] != sample.mask.shape:
            logits = F.interpolate(logits, tuple(sample.mask.shape), mode="bilinear", align_corners=False)
        return logits.argmax(1)[0].cpu()

    def judge(self, dataset: DenseDataset[SegmentationSample]) -> MaskScores:
        """mIoU and its companions on the test split."""
        judge = MaskJudge(dataset.classes)
        for index in range(len(dataset.test)):
            sample = dataset.test[index]
            judge.add(sample.mask, self.label(sample))
        return judge.scores()
