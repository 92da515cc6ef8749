"""Images that are drawn while they are needed: what a diagnostic task is, and the split that draws it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from ablate.data.dataset import Dataset, Split, TensorSplit, pixel_statistics
from ablate.errors import AblateError

IGNORED = -100
"""The label of a token that is not asked, as `F.cross_entropy` has it."""
EPOCH = 10_000
"""Images of an epoch of a drawn task, unless it says otherwise."""
TEST_IMAGES = 2_000
TEST_SEED = 2**62 + 1
"""Of the test images. The seeds of training batches are below 2^62, so that none of them is drawn twice."""


class Drawing(NamedTuple):
    """Drawn images with their answers.

    `images` are uint8 `(N, C, H, W)`. `labels` are int64: `(N,)`, one answer an image; `(N, h, w)`, one a
    token; or `(N, Q, h, w)`, answers to Q questions of every token; -100 is not asked. `groups` has the index
    of each label's difficulty, in a shape that broadcasts to that of the labels.
    """

    images: Tensor
    labels: Tensor
    groups: Tensor


class Task(Protocol):
    """What a diagnostic task says of itself. `questions` is Q, 1 where the labels have no such axis."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def group_names(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def resolution(self) -> tuple[int, int]: ...
    @property
    def label_grid(self) -> tuple[int, int] | None: ...
    @property
    def questions(self) -> int: ...
    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """`number` images, the same for the same state of the generator."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnSplit:
    """Training images that nobody sees twice: `images` of them are called an epoch.

    Which images come depends on `seed` and on their place in the order alone, so that a run that goes on in
    the middle sees what it would have seen.
    """

    task: Task
    images: int = EPOCH
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1:
            raise AblateError(f"images must be at least 1, got {self.images}")

    def __len__(self) -> int:
        return self.images

    def seeded(self, seed: int) -> DrawnSplit:
        """The same task with other images."""
        return replace(self, seed=seed)

    def batches(self, order: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of new images, the i-th of `order` at place `order[i]` of the endless row of images."""
        for places in torch.split(order, batch):
            generator = torch.Generator().manual_seed(batch_seed(self.seed, int(places[0])))
            drawing = self.task.draw(len(places), generator)
            yield drawing.images, drawing.labels


def batch_seed(seed: int, place: int) -> int:
    """A seed below 2^62 for the batch that begins at `place`, far from those of all other batches."""
    mixed = (seed * 0x9E3779B97F4A7C15 + place * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (2**64 - 1)
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (mixed ^ (mixed >> 31)) >> 2


def drawn_to_test(task: Task, images: int = TEST_IMAGES) -> Drawing:
    """The test images of a task: always the same ones, from a seed that no training uses."""
    return task.draw(images, torch.Generator().manual_seed(TEST_SEED), test=True)


def drawn_to_choose(task: Task, images: int = TEST_IMAGES) -> Drawing:
    """Images to choose settings on: neither test images nor training images, but drawn like the latter."""
    return task.draw(images, torch.Generator().manual_seed(TEST_SEED + 1))


@dataclass(frozen=True, eq=False)
class DrawnDataset(Dataset):
    """A task as a data set: `train` draws without end, `test` was drawn once, with its `groups`."""

    task: Task | None = None
    groups: Tensor | None = None  # of the test labels

    def for_tuning(self, fraction: float = 0.1, seed: int = 0) -> DrawnDataset:
        """The same task with other images to be judged on; no training image is lost, so `fraction` is not
        used."""
        assert self.task is not None
        images, labels, groups = drawn_to_choose(self.task, len(self.test))
        return replace(self, test=TensorSplit(images, labels), groups=groups)


def drawn_dataset(
    name: str, task: Task, *, images: int = EPOCH, test_images: int = TEST_IMAGES
) -> DrawnDataset:
    """A task as a data set of `images` an epoch. A drawn image is never mirrored or moved: its answer would
    be another."""
    drawing = drawn_to_test(task, test_images)
    sample = task.draw(256, torch.Generator().manual_seed(TEST_SEED + 2)).images
    mean, std = pixel_statistics(sample)
    return DrawnDataset(
        name,
        cast(Split, DrawnSplit(task, images)),
        TensorSplit(drawing.images, drawing.labels),
        task.classes,
        task.channels,
        task.resolution,
        task.resolution,
        mean,
        std,
        flip=False,
        task=task,
        groups=drawing.groups,
    )


def palette(colours: int) -> Tensor:
    """Colours that are far apart, uint8 `(colours, 3)`: corners of the RGB cube but black and white."""
    corners = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0)]
    if not 2 <= colours <= len(corners):
        raise AblateError(f"colours must lie between 2 and {len(corners)}, got {colours}")
    return torch.tensor(corners[:colours], dtype=torch.uint8)


def coloured(indices: Tensor, colours: Tensor) -> Tensor:
    """Indices `(N, h, w)` as pixels `(N, 3, h, w)`."""
    return colours[indices].permute(0, 3, 1, 2)


def enlarged(cells: Tensor, cell: int) -> Tensor:
    """Every pixel of `(N, C, h, w)` as a square of `cell` pixels."""
    return cells.repeat_interleave(cell, 2).repeat_interleave(cell, 3)


def coordinates(size: int) -> Tensor:
    """Where a cell is, uint8 `(4 L, size, size)`: sine and cosine of row and column at L octaves.

    The longest period is that of the whole side, the shortest four cells: a shift by d cells is then a
    rotation of the code, as in the position codes of transformers (Vaswani et al., 2017).
    """
    octaves = max(1, int(math.log2(size / 4)) + 1)
    angles = 2 * math.pi * torch.arange(size) / size * 2.0 ** torch.arange(octaves).view(-1, 1)
    codes = torch.cat([angles.sin(), angles.cos()])  # (2 L, size)
    rows = codes.unsqueeze(2).expand(-1, size, size)
    columns = codes.unsqueeze(1).expand(-1, size, size)
    return ((torch.cat([rows, columns]) + 1) * 127.5).round().to(torch.uint8)


def distinct_places(number: int, places: int, taken: int, generator: torch.Generator) -> Tensor:
    """`taken` different places of `places`, in random order, for each of `number` images."""
    return torch.rand(number, places, generator=generator).argsort(1)[:, :taken]


def at_least(name: str, value: int, least: int) -> None:
    """Raise `AblateError` for an argument below its least value."""
    if value < least:
        raise AblateError(f"{name} must be at least {least}, got {value}")


def ascending(name: str, values: Sequence[int], least: int, most: int) -> None:
    """Raise `AblateError` unless the values rise strictly within `least` and `most`."""
    if not values or list(values) != sorted(set(values)) or values[0] < least or values[-1] > most:
        raise AblateError(f"{name} must rise, from {least} at least to {most} at most, got {list(values)}")
