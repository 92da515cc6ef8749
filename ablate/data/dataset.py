"""`Dataset`: labelled uint8 images in two or three splits, and the way from bytes to a network's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.data.decode import ImageSource, decoded
from ablate.errors import AblateError

RESIZED_LIMIT = 2 * 1024**3
"""Bytes that a split may take after its resize; above it, images are resized batch by batch instead."""


@dataclass(frozen=True, eq=False)
class TensorSplit:
    """A split that lives in memory: `images` uint8 `(N, C, H, W)`, `labels` int64 `(N,)` on the CPU."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            shape = tuple(self.images.shape)
            raise ValueError(f"images must be uint8 (N, C, H, W), got {self.images.dtype} {shape}")
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images, but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of `order` in batches; the last one may be smaller."""
        for index in torch.split(order, batch):
            yield self.images[index], self.labels[index]

    def select(self, indices: Tensor) -> TensorSplit:
        """A copy that holds these images only."""
        return TensorSplit(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class StreamSplit:
    """A split that is decoded while it is read: `source[i]` gives one uint8 `(C, H, W)` image."""

    source: ImageSource
    labels: Tensor
    indices: Tensor  # of the source's images, one per label
    workers: int = 2

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of `order` in batches, decoded by `workers` threads ahead of use."""
        chunks = torch.split(order, batch)
        wanted = (self.indices[chunk].tolist() for chunk in chunks)
        for chunk, images in zip(chunks, decoded(self.source, wanted, self.workers), strict=True):
            yield images, self.labels[chunk]

    def select(self, indices: Tensor) -> StreamSplit:
        """A view that holds these images only."""
        return replace(self, labels=self.labels[indices], indices=self.indices[indices])


Split: TypeAlias = TensorSplit | StreamSplit


@dataclass(frozen=True, eq=False)
class Dataset:
    """An image set: what a network trains on, and what it is judged by.

    `train` is the set's own training split in full and `test` its test split; `val` exists only where the set
    brings one. `mean` and `std` are per channel, of pixels in 0..1, over the training images. Images are
    stored at another size than `resolution` when the resized tensor would be too large; `to_input` resizes.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    channels: int
    native_resolution: tuple[int, int]
    resolution: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool  # whether a mirrored image keeps its class
    val: Split | None = None

    def to_input(self, images: Tensor) -> Tensor:
        """uint8 images `(B, C, h, w)` as a network's input: resized if need be, float32, normalised."""
        pixels = resize(images, self.resolution).float().div_(255)
        mean = pixels.new_tensor(self.mean).view(1, -1, 1, 1)
        std = pixels.new_tensor(self.std).view(1, -1, 1, 1)
        return pixels.sub_(mean).div_(std)

    def for_tuning(self, fraction: float = 0.1, seed: int = 0) -> Dataset:
        """The same set with the test images out of reach: what settings may be chosen on.

        Its `test` is the validation split where the set has one, else a stratified `fraction` of the training
        images, which then leave `train`.
        """
        if self.val is not None:
            return replace(self, test=self.val, val=None)
        held_out, kept = stratified(self.train.labels, round(fraction * len(self.train)), seed)
        return replace(self, train=self.train.select(kept), test=self.train.select(held_out))


def stratified(labels: Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """`size` indices in which every class has its share, and the indices left over; both ascending.

    Raises `AblateError` when `size` leaves no room for one image of every class in both parts.
    """
    from sklearn.model_selection import train_test_split

    counts = torch.bincount(labels)
    present = int((counts > 0).sum())
    room = len(labels) - present
    if not present <= size <= room or int(counts[counts > 0].min()) < 2:
        raise AblateError(
            f"cannot take {size:,} of {len(labels):,} images: with {present:,} classes of two images or more "
            f"it takes between {present:,} and {room:,}"
        )
    taken, left = train_test_split(
        torch.arange(len(labels)).numpy(), train_size=size, stratify=labels.numpy(), random_state=seed
    )
    return torch.from_numpy(taken).sort().values, torch.from_numpy(left).sort().values


def resize(images: Tensor, size: tuple[int, int], chunk: int = 2048) -> Tensor:
    """uint8 images `(N, C, h, w)` as uint8 `(N, C, *size)`: bilinear, antialiased, rounded."""
    if tuple(images.shape[-2:]) == size:
        return images
    parts = [
        F.interpolate(part.float(), size, mode="bilinear", align_corners=False, antialias=True)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for part in torch.split(images, chunk)
    ]
    return torch.cat(parts)


def pixel_statistics(images: Tensor, chunk: int = 4096) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images `(N, C, H, W)`, with pixels in 0..1."""
    total = torch.zeros(images.shape[1], dtype=torch.float64)
    squares = torch.zeros_like(total)
    for part in torch.split(images, chunk):
        pixels = part.double().div_(255)
        total += pixels.sum((0, 2, 3))
        squares += pixels.square_().sum((0, 2, 3))
    number = images.numel() // images.shape[1]
    mean = total / number
    std = (squares / number - mean.square()).clamp(min=0).sqrt()
    # an image set of one colour must not divide by zero
    return tuple(mean.tolist()), tuple(std.clamp(min=1e-3).tolist())
