"""Judging a trained network: accuracy, recall and confusion, by difficulty, mirrored, at other sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.dataset import Dataset
from ablate.data.splits import IGNORED
from ablate.measurements.accuracy_protocol import AccuracyProtocol
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.diverged import Diverged

CONFUSION_CLASSES = 200
"""Classes up to which the confusion table is kept: 40,000 counts."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a test gave: `confusion` int64 `(K, K)`, true class by answer; `loss` the mean cross-entropy;
    `groups` right answers and answers by difficulty, int64 `(2, G)`."""

    confusion: Tensor
    loss: float
    groups: Tensor | None = None

    @property
    def top1(self) -> float:
        """Share of right answers in percent."""
        return 100 * int(self.confusion.diagonal().sum()) / int(self.confusion.sum())

    @property
    def recall(self) -> list[float | None]:
        """Share of right answers of every class in percent; `None` for one that the test split lacks."""
        rows = zip(self.confusion.diagonal().tolist(), self.confusion.sum(1).tolist(), strict=True)
        return [100 * right / total if total else None for right, total in rows]

    @property
    def balanced(self) -> float:
        """Mean of the recalls: accuracy if all classes were equally frequent."""
        known = [value for value in self.recall if value is not None]
        return math.fsum(known) / len(known)


class Judge:
    """Tests networks on one data set, in the precision and format of a protocol."""

    def __init__(self, dataset: Dataset, protocol: AccuracyProtocol):
        self.dataset, self.protocol = dataset, protocol
        self.device = devices.resolve(protocol.device)

    def at_resolution(self, pixels: int) -> Judge:
        """The same test with images of that side: the stored ones, resized."""
        return Judge(replace(self.dataset, resolution=(pixels, pixels)), self.protocol)

    def logits(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """The model's output in float32, in the protocol's precision; the same way in training and test."""
        precision = self.protocol.precision
        with devices.autocast(precision, self.device), training_kernels(precision, self.device):
            output: Tensor = model(pixels)
        return output.float()

    def network_input(self, images: Tensor) -> Tensor:
        """Bytes to normalised pixels on the device, channels last where the protocol says so."""
        pixels = self.dataset.to_input(images.to(self.device, non_blocking=True))
        return pixels.contiguous(memory_format=torch.channels_last) if self.protocol.channels_last else pixels

    @torch.inference_mode()
    def test(self, model: nn.Module, *, flip: bool = False) -> Scores:
        """Judge on the test split; the model is left in evaluation mode.

        `flip` averages the logits of an image and its mirror image. Raises `Diverged` when the loss is not
        finite.
        """
        model.eval()
        kinds = len(self.dataset.classes)
        confusion = torch.zeros(kinds * kinds, dtype=torch.int64)
        names = self.dataset.group_names
        by_group = torch.zeros(2, len(names), dtype=torch.int64)
        total, asked, place = 0.0, 0, 0
        order = torch.arange(len(self.dataset.test))
        for images, labels in self.dataset.test.batches(order, self.protocol.eval_batch):
            pixels = self.network_input(images)
            logits = self.logits(model, pixels)
            if flip:
                logits = (logits + self.logits(model, pixels.flip(-1))) / 2
            logits = logits.cpu()
            total += float(F.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED))
            answers, wanted = logits.argmax(1), labels != IGNORED
            asked += int(wanted.sum())
            pairs = labels[wanted] * kinds + answers[wanted]
            confusion += torch.bincount(pairs, minlength=kinds * kinds)
            if names and self.dataset.test.groups is not None:
                group = self.dataset.test.groups[place : place + len(labels)][wanted]
                right = (answers == labels)[wanted]
                by_group[0] += torch.bincount(group[right], minlength=len(names))
                by_group[1] += torch.bincount(group, minlength=len(names))
            place += len(labels)
        if not math.isfinite(total):
            raise Diverged("the test loss is not finite", 0)
        return Scores(confusion.view(kinds, kinds), total / asked, by_group if names else None)

    def group_scores(self, scores: Scores) -> dict[str, float]:
        """Accuracy by difficulty in percent, of those that occur."""
        if scores.groups is None:
            return {}
        counts = zip(self.dataset.group_names, scores.groups.T.tolist(), strict=True)
        return {name: 100 * right / total for name, (right, total) in counts if total}
