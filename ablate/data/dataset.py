"""`Dataset`: labelled uint8 images in two or three splits, and the way from bytes to a network's input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.data.splits import DrawnSplit, Split, StreamSplit, TensorSplit
from ablate.errors import AblateError

__all__ = [
    "Dataset",
    "Split",
    "Splits",
    "StreamSplit",
    "TensorSplit",
    "pixel_statistics",
    "resize",
    "stratified",
]

RESIZED_LIMIT = 2 * 1024**3
"""Bytes that a split may take after its resize; above it, images are resized batch by batch instead."""


@dataclass(frozen=True, eq=False)
class Splits:
    """What a set's loader returns. `val` exists only where the set brings one of its own.

    `mean` and `std` (per channel, of pixels in 0..1) are given where a look at the training images would cost
    too much; else they are computed.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    val: Split | None = None
    group_names: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: int | None = None  # of streamed images, whose tensors nobody has seen
    native_resolution: tuple[int, int] | None = None  # likewise


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
    group_names: tuple[str, ...] = ()

    @property
    def per_token(self) -> bool:
        """Whether labels are `(N, h, w)` or `(N, questions, h, w)`, of tokens, and not `(N,)`, of images."""
        return self.test.labels.ndim >= 3

    def to_input(self, images: Tensor) -> Tensor:
        """uint8 images `(B, C, h, w)` as a network's input: resized if need be, float32, normalised."""
        pixels = resize(images, self.resolution).float().div_(255)
        mean = pixels.new_tensor(self.mean).view(1, -1, 1, 1)
        std = pixels.new_tensor(self.std).view(1, -1, 1, 1)
        return pixels.sub_(mean).div_(std)

    def for_tuning(self, fraction: float = 0.1, seed: int = 0) -> Dataset:
        """The same set with the test images out of reach: what settings may be chosen on.

        Its `test` is the validation split where the set has one, else a stratified `fraction` of the training
        images, which then leave `train`. Of a set that is drawn, it is drawn too, and `train` stays whole.
        """
        if self.val is not None:
            return replace(self, test=self.val, val=None)
        if isinstance(self.train, DrawnSplit):
            return replace(self, test=self.train.held_out(round(fraction * len(self.train)), seed))
        held_out, kept = stratified(self.train.labels, round(fraction * len(self.train)), seed)
        return replace(self, train=self.train.select(kept), test=self.train.select(held_out))


def stratified(labels: Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """`size` indices in which every class has its share, and the indices left over; both ascending.

    Raises `AblateError` when `size` leaves no room for one image of every class in both parts.
    """
    from sklearn.model_selection import train_test_split

    if labels.ndim != 1:
        raise AblateError("images with a label per token cannot be divided by their classes")
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
