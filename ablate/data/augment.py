"""Augmentation of whole batches of uint8 images, on the device they are on, as a function of the budget."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.data.dataset import Dataset

LEAST_EPOCHS = 2.0
"""Below about two epochs every image is new enough, and augmentation costs accuracy."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to every training image, each with its own draw.

    `shift`: moved by up to that many pixels along each axis, the border mirrored. `flip`: mirrored with
    probability 1/2. `erase`: a square of that side, at any place, set to zero (cutout, DeVries & Taylor 2017,
    arXiv 1708.04552); 0 is none.
    """

    shift: int = 0
    flip: bool = False
    erase: int = 0

    def __bool__(self) -> bool:
        return bool(self.shift or self.flip or self.erase)


def augmentation_for(
    dataset: Dataset, epochs: float, wanted: bool | None = None, erase: bool = False
) -> Augmentation:
    """The augmentation for a budget: none below two epochs, else shifts of an eighth of the side, and flips.

    Sets whose mirrored images change their class (`digits`) are not flipped. `wanted` overrides the
    rule; `erase` adds squares of a quarter of the side.
    """
    if not (epochs >= LEAST_EPOCHS if wanted is None else wanted):
        return Augmentation()
    side = min(dataset.resolution)
    return Augmentation(shift=max(1, side // 8), flip=dataset.flip, erase=side // 4 if erase else 0)


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Augmented copies of images `(B, C, H, W)` of any type.

    All draws come from `generator`, a CPU generator whatever device the images are on, so that one seed gives
    one sequence everywhere.
    """
    if augmentation.shift:
        images = _shifted(images, augmentation.shift, generator)
    if augmentation.flip:
        mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
    if augmentation.erase:
        images = _erased(images, augmentation.erase, generator)
    return images


def _shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    batch, _, height, width = images.shape
    most = min(most, height - 1, width - 1)  # a mirrored border cannot be wider than the image
    if most < 1:
        return images
    # mirroring is not implemented for bytes; every byte is exact in float32
    padded = F.pad(images.float(), (most,) * 4, mode="reflect").to(images.dtype)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (B, C, 2s+1, 2s+1, H, W), a view
    rows, columns = torch.randint(2 * most + 1, (2, batch), generator=generator).to(images.device)
    return windows[torch.arange(batch, device=images.device), :, rows, columns]


def _erased(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    batch, _, height, width = images.shape
    centres = torch.rand((2, batch), generator=generator).to(images.device)

    def inside(length: int, centre: Tensor) -> Tensor:  # (B, length): whether the square covers it
        start = (centre * length).floor() - side // 2
        place = torch.arange(length, device=images.device) - start.view(-1, 1)
        return (place >= 0) & (place < side)

    square = inside(height, centres[0]).unsqueeze(2) & inside(width, centres[1]).unsqueeze(1)
    return images.masked_fill(square.unsqueeze(1), 0)
