"""Joint transforms of images with their boxes or masks, from torchvision's v2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors as _tensors
from torchvision.transforms import v2 as _v2

from ablate.data.dense.samples import IGNORED, DetectionSample, SegmentationSample
from ablate.runners.dense.schedules import Schedule

tv_tensors: Any = _tensors  # neither says what it exports, and a checker would see nothing in them
v2: Any = _v2

CROPS = 10
"""Crops that are tried until no class fills more than its share."""


class TrainBoxes:
    """A training sample of detection -> image float `(3, h, w)` in 0..1, boxes, labels; no crowds."""

    def __init__(self, schedule: Schedule, flip: bool):
        steps: list[Any] = []
        if schedule.short_side:
            steps.append(v2.RandomShortestSize([schedule.short_side], schedule.long_side, antialias=True))
        if schedule.flip and flip:
            steps.append(v2.RandomHorizontalFlip(0.5))
        self._change = v2.Compose([*steps, v2.Identity()])

    def __call__(self, sample: DetectionSample) -> tuple[Tensor, dict[str, Tensor]]:
        kept = ~sample.crowd
        size = tuple(sample.image.shape[-2:])
        boxes = tv_tensors.BoundingBoxes(sample.boxes[kept], format="XYXY", canvas_size=size)
        image, boxes = self._change(tv_tensors.Image(sample.image), boxes)
        pixels = image.as_subclass(torch.Tensor).float() / 255
        return pixels, {"boxes": boxes.as_subclass(torch.Tensor), "labels": sample.labels[kept]}


def at_test_size(sample: DetectionSample, schedule: Schedule) -> tuple[Tensor, float, float]:
    """An image at its test size, float `(3, h, w)` in 0..1, and how many times wider and higher it became."""
    image = tv_tensors.Image(sample.image)
    if schedule.short_side:
        image = v2.RandomShortestSize([schedule.short_side], schedule.long_side, antialias=True)(image)
    (height, width), (rows, columns) = sample.image.shape[-2:], image.shape[-2:]
    return image.as_subclass(torch.Tensor).float() / 255, columns / width, rows / height


class TrainMasks:
    """A training sample of segmentation -> image uint8 `(3, c, c)` and labels `(c, c)`: scaled, cropped,
    mirrored and distorted together. What a crop has beyond its image is the mean colour, and ignored."""

    def __init__(self, schedule: Schedule, flip: bool, mean: tuple[float, float, float]):
        self._how = schedule
        fill = {tv_tensors.Image: [round(255 * value) for value in mean], tv_tensors.Mask: IGNORED}
        self._crop = v2.RandomCrop(schedule.crop, pad_if_needed=True, fill=fill) if schedule.crop else None
        steps: list[Any] = [v2.RandomHorizontalFlip(0.5)] * (schedule.flip and flip)
        if schedule.distort:
            steps.append(v2.RandomPhotometricDistort((0.875, 1.125), (0.5, 1.5), (0.5, 1.5), (-0.1, 0.1)))
        self._change = v2.Compose([*steps, v2.Identity()])

    def __call__(self, sample: SegmentationSample) -> tuple[Tensor, Tensor]:
        image, mask = tv_tensors.Image(sample.image), tv_tensors.Mask(sample.mask)
        if self._how.short_side:
            low, high = self._how.scales
            scale = low + (high - low) * float(torch.rand(()))
            short, long = round(scale * self._how.short_side), round(scale * self._how.long_side)
            image, mask = v2.RandomShortestSize([short], long, antialias=True)(image, mask)
        if self._crop is not None:
            image, mask = self._cropped(image, mask)
        image, mask = self._change(image, mask)
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)

    def _cropped(self, image: Any, mask: Any) -> tuple[Any, Any]:
        assert self._crop is not None
        for _ in range(CROPS):
            crop: tuple[Any, Any] = self._crop(image, mask)
            counts = torch.bincount(crop[1].as_subclass(torch.Tensor).flatten().int(), minlength=256)[
                :IGNORED
            ]
            present = counts[counts > 0]
            if len(present) > 1 and int(present.max()) < self._how.most_of_one * int(present.sum()):
                break
            if self._how.most_of_one >= 1:
                break
        return crop


def aligned(image: Tensor, schedule: Schedule) -> Tensor:
    """A test image uint8 `(3, H, W)` at its test size: scaled within the schedule's bounds, then both sides
    resized up to multiples of its divisor. Images of composed sets stay as they are if they fit."""
    if schedule.short_side:
        image = v2.RandomShortestSize([schedule.short_side], schedule.long_side, antialias=True)(
            tv_tensors.Image(image)
        )
    height, width = (-(-side // schedule.divisor) * schedule.divisor for side in image.shape[-2:])
    if (height, width) != tuple(image.shape[-2:]):
        image = v2.functional.resize(image, [height, width], antialias=True)
    return image.as_subclass(torch.Tensor)
