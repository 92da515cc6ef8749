"""The images of one part of a set: in memory, decoded while they are read, or drawn afresh every epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from ablate.data.decode import ImageSource, decoded
from ablate.errors import AblateError

IGNORED = -100
"""The label of an image or a token that has no answer; losses and scores leave it out."""


@dataclass(frozen=True, eq=False)
class TensorSplit:
    """A split that lives in memory, on the CPU: `images` uint8 `(N, C, H, W)`, `labels` int64.

    Labels are `(N,)`, one an image; `(N, h, w)`, one a token; or `(N, questions, h, w)`. `groups`, int64 of
    the labels' shape, sorts the answers by difficulty.
    """

    images: Tensor
    labels: Tensor
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            shape = tuple(self.images.shape)
            raise ValueError(f"images must be uint8 (N, C, H, W), got {self.images.dtype} {shape}")
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images, but {len(self.labels)} labels")
        if self.labels.ndim not in (1, 3, 4):
            shape = tuple(self.labels.shape)
            raise ValueError(f"labels must be (N,), (N, h, w) or (N, questions, h, w), got {shape}")
        if self.groups is not None and self.groups.shape != self.labels.shape:
            shapes = tuple(self.groups.shape), tuple(self.labels.shape)
            raise ValueError(f"groups must have the shape of the labels, got {shapes[0]} and {shapes[1]}")

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, seed: int, number: int) -> TensorSplit:
        """The images of epoch `number` (from 0) of the training run `seed`: stored ones stay the same."""
        return self

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of `order` in batches; the last one may be smaller."""
        for index in torch.split(order, batch):
            yield self.images[index], self.labels[index]

    def select(self, indices: Tensor) -> TensorSplit:
        """A copy that holds these images only."""
        groups = None if self.groups is None else self.groups[indices]
        return TensorSplit(self.images[indices], self.labels[indices], groups)


@dataclass(frozen=True, eq=False)
class StreamSplit:
    """A split that is decoded while it is read: `source[i]` gives one uint8 `(C, H, W)` image."""

    source: ImageSource
    labels: Tensor
    indices: Tensor  # of the source's images, one per label
    workers: int = 2
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, seed: int, number: int) -> StreamSplit:
        """The images of epoch `number` (from 0) of the training run `seed`: stored ones stay the same."""
        return self

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of `order` in batches, decoded by `workers` threads ahead of use."""
        chunks = torch.split(order, batch)
        wanted = (self.indices[chunk].tolist() for chunk in chunks)
        for chunk, images in zip(chunks, decoded(self.source, wanted, self.workers), strict=True):
            yield images, self.labels[chunk]

    def select(self, indices: Tensor) -> StreamSplit:
        """A view that holds these images only."""
        groups = None if self.groups is None else self.groups[indices]
        return replace(self, labels=self.labels[indices], indices=self.indices[indices], groups=groups)


Draw: TypeAlias = Callable[[torch.Generator, int], TensorSplit]
"""`draw(generator, number)`: that many images, which depend on nothing but the generator."""


@dataclass(frozen=True, eq=False)
class DrawnSplit:
    """A training split without an end: every epoch of every run has `size` images of its own."""

    draw: Draw
    size: int
    _first: list[TensorSplit] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return self.size

    def epoch(self, seed: int, number: int) -> TensorSplit:
        """The images of epoch `number` (from 0) of the training run `seed`; the same whenever drawn."""
        return self.draw(draws("train", seed, number), self.size)

    @property
    def first(self) -> TensorSplit:
        """Epoch 0 of seed 0: what stands for the split where one look at it has to do."""
        if not self._first:
            self._first.append(self.epoch(0, 0))
        return self._first[0]

    @property
    def labels(self) -> Tensor:
        """The labels of `first`."""
        return self.first.labels

    @property
    def groups(self) -> Tensor | None:
        """The groups of `first`."""
        return self.first.groups

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of `first` in the order wanted. Training takes every epoch's own, from `epoch`."""
        return self.first.batches(order, batch)

    def select(self, indices: Tensor) -> DrawnSplit:
        """Raises `AblateError`: images that are not drawn yet cannot be chosen from."""
        raise AblateError(
            "the images of a drawn set cannot be chosen from; say how many are drawn with `images`"
        )

    def held_out(self, size: int, seed: int) -> TensorSplit:
        """`size` images that no training run and no test sees."""
        return self.draw(draws("held out", seed), size)


Split: TypeAlias = TensorSplit | StreamSplit | DrawnSplit


def drawn_once(draw: Draw, size: int) -> TensorSplit:
    """The test split of a drawn set: from a seed that no training uses, whatever the run's seed is."""
    return draw(draws("test"), size)


def draws(*purpose: str | int) -> torch.Generator:
    """A CPU generator whose sequence depends on the purpose alone, and is no other purpose's."""
    digest = hashlib.sha256(repr(purpose).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
