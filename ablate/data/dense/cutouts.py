"""`cutouts`: images composed on the fly, one to four drawings on a ground, with exact boxes and masks.

Nothing is downloaded. `cutouts:shapes` and `cutouts:drawn`, shapes and letters, are the same on every
machine; `cutouts:clipart` takes Debian's clip art, and photographs as grounds; `cutouts` takes what is there,
and its row says which. Splits share no
drawing and no photograph: a test asks whether a class is known, not whether an object is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ablate.data.dense.drawings import CLIPART, Drawing, Pool, clipart_pool, drawn_pool, shape_pool
from ablate.data.dense.grounds import ground, photographs
from ablate.data.dense.register import dense_dataset
from ablate.data.dense.samples import DenseDataset, DetectionSample, SegmentationSample, Task
from ablate.errors import AblateError

SIDE, TRAIN_IMAGES, TEST_IMAGES = 128, 2000, 500
MOST = 4
"""Objects of one image at most."""

KINDS = {
    "shapes": ("shapes", shape_pool),
    "drawn": ("letters and shapes", drawn_pool),
    "clipart": ("clip art", clipart_pool),
}
"""What stands after the colon: what the objects are, and where they come from."""

HIDDEN = 0.3
"""Share of an earlier object that later ones may cover; a place that would cover more is not taken."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One composed image uint8 `(side, side, 3)`, and for every object its class and visible pixels."""

    image: npt.NDArray[Any]
    labels: tuple[int, ...]
    visible: tuple[npt.NDArray[Any], ...]  # bool (side, side) each, disjoint


@dataclass(frozen=True, eq=False)
class Scenes:
    """The scenes of one split: scene i depends on split and i alone."""

    split: str
    side: int
    pool: Pool
    pictures: tuple[npt.NDArray[Any], ...]

    def compose(self, index: int) -> Scene:
        """Objects from back to front, each turned, scaled and coloured by chance."""
        random = np.random.default_rng([0 if self.split == "train" else 1, self.side, index])
        image = ground(self.side, random, self.pictures)
        labels: list[int] = []
        visible: list[npt.NDArray[Any]] = []
        areas: list[int] = []
        for _ in range(int(random.integers(1, MOST + 1))):
            label = int(random.integers(len(self.pool.classes)))
            drawings = self.pool.drawings[label]
            alpha, colours = placed(drawings[int(random.integers(len(drawings)))], self.side, random, image)
            solid = alpha > 0.5
            if solid.sum() < 16:
                continue
            left = [int((seen & ~solid).sum()) for seen in visible]
            if any(rest < (1 - HIDDEN) * area for rest, area in zip(left, areas, strict=True)):
                continue
            visible = [seen & ~solid for seen in visible]
            image += alpha[..., None] * (colours - image)
            labels.append(label)
            visible.append(solid)
            areas.append(int(solid.sum()))
        noisy = image + random.normal(0, 4, image.shape)
        return Scene(noisy.clip(0, 255).astype(np.uint8), tuple(labels), tuple(visible))


def placed(
    drawing: Drawing, side: int, random: np.random.Generator, below: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """A drawing at a random place of an image: opacity float32 `(side, side)` and colours `(side, side, 3)`.

    Its longer side is 0.25 to 0.6 of the image's, turned by up to 30 degrees; it lies inside the image.
    """
    length = max(8, round(side * random.uniform(0.25, 0.6)))
    height, width = drawing.alpha.shape
    scale = length / max(height, width)
    size = (max(4, round(width * scale)), max(4, round(height * scale)))
    turn = float(random.uniform(-30, 30))

    def fitted(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        return np.asarray(image.rotate(turn, Image.Resampling.BILINEAR, expand=True), dtype=np.float32)

    small = fitted(drawing.alpha)[:side, :side] / 255
    rows, columns = small.shape
    top, left = int(random.integers(side - rows + 1)), int(random.integers(side - columns + 1))
    place = np.s_[top : top + rows, left : left + columns]
    alpha = np.zeros((side, side), dtype=np.float32)
    alpha[place] = small
    colours = np.zeros((side, side, 3), dtype=np.float32)
    if drawing.colours is not None:
        colours[place] = fitted(drawing.colours)[:side, :side]
        return alpha, colours
    # two colours that differ from the ground's mean enough to be seen
    mean = below[place].mean((0, 1))
    first = random.uniform(0, 255, 3)
    if np.abs(first - mean).max() < 60:
        first = (first + 128) % 256
    second = (first + random.uniform(-50, 50, 3)).clip(0, 255)
    ramp = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    colours[place] = first + ramp * (second - first)
    return alpha, colours


@dataclass(frozen=True, eq=False)
class CutoutMasks:
    """Scenes with a label for every pixel: 0 is the ground, k + 1 is class k."""

    scenes: Scenes
    length: int
    open_ended: bool

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> SegmentationSample:
        scene = self.scenes.compose(index)
        mask = np.zeros(scene.image.shape[:2], dtype=np.uint8)
        for label, seen in zip(scene.labels, scene.visible, strict=True):
            mask[seen] = label + 1
        return SegmentationSample(_channels_first(scene.image), torch.from_numpy(mask), index)


@dataclass(frozen=True, eq=False)
class CutoutBoxes:
    """The same scenes with the box of every object's visible pixels."""

    scenes: Scenes
    length: int
    open_ended: bool

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> DetectionSample:
        scene = self.scenes.compose(index)
        boxes = np.array([box_of(seen) for seen in scene.visible], dtype=np.float32).reshape(-1, 4)
        areas = torch.tensor([float(seen.sum()) for seen in scene.visible], dtype=torch.float32)
        return DetectionSample(
            _channels_first(scene.image),
            torch.from_numpy(boxes),
            torch.tensor(scene.labels, dtype=torch.int64),
            areas,
            torch.zeros(len(scene.labels), dtype=torch.bool),
            index,
        )


def box_of(seen: npt.NDArray[Any]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that are true; right and bottom lie outside."""
    rows, columns = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dense_dataset("cutouts", "segmentation", "detection", kinds=KINDS)
def cutouts(
    task: Task, path: Path | None, *, size: int | None, train_images: int | None, test_images: int | None
) -> DenseDataset[Any]:
    """Composed scenes of `size` pixels; training has new ones for every index, the test a fixed number."""
    kind = str(path) if path else ("clipart" if CLIPART.is_dir() else "drawn")
    side = size or SIDE
    if side < 32:
        raise AblateError(f"cutouts need at least 32 pixels, got {side}")
    objects, pool_of = KINDS[kind]
    scenes = {
        split: Scenes(split, side, pool_of(split), photographs(split) if kind == "clipart" else ())
        for split in ("train", "test")
    }
    build: Any = CutoutMasks if task == "segmentation" else CutoutBoxes
    classes = scenes["train"].pool.classes
    grounds = "photographs" if scenes["train"].pictures else "noise and gradients"
    return DenseDataset(
        f"cutouts:{kind}",
        task,
        build(scenes["train"], train_images or TRAIN_IMAGES, True),
        build(scenes["test"], test_images or TEST_IMAGES, False),
        ("ground", *classes) if task == "segmentation" else classes,
        size=(side, side),
        flip=kind != "drawn",  # a mirrored letter is another one
        source=f"{objects} on {grounds}",
    )


def _channels_first(image: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
