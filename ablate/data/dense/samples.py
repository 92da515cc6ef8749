"""What a dense set gives: samples with boxes or masks, in two splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from torch import Tensor

Task = Literal["detection", "segmentation"]

IGNORED = 255
"""The label of pixels that are neither trained on nor judged."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class DetectionSample:
    """One image uint8 `(3, H, W)` and its n objects.

    `boxes` float32 `(n, 4)`: left, top, right, bottom in pixels, right and bottom outside; `labels` int64
    from 0 without gaps; `areas` float32, what the set calls the object's area (COCO's sizes go by it);
    `crowd` bool: a region of many objects, which is judged by its own rule and never trained on.
    """

    image: Tensor
    boxes: Tensor
    labels: Tensor
    areas: Tensor
    crowd: Tensor
    image_id: int


@dataclass(frozen=True, eq=False)
class SegmentationSample:
    """One image uint8 `(3, H, W)` and its labels uint8 `(H, W)`, `IGNORED` where there is none."""

    image: Tensor
    mask: Tensor
    image_id: int


S = TypeVar("S", DetectionSample, SegmentationSample)
S_co = TypeVar("S_co", covariant=True)


class DenseSplit(Protocol[S_co]):
    """Samples by index; `split[i]` is the same sample whenever and wherever it is asked for.

    `open_ended` splits are composed and have a new image for every index, also beyond their length.
    """

    @property
    def open_ended(self) -> bool:
        """Whether indices beyond the length are valid."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> S_co: ...


@dataclass(frozen=True, eq=False)
class DenseDataset(Generic[S]):
    """A set for one task. `test` is what networks are judged on; `source` says what the images are made of.

    `skipped` counts what the published protocol leaves out of training, by reason; `checks` lists what was
    looked at before the first step. `flip` says whether a mirrored image keeps its labels.
    """

    name: str
    task: Task
    train: DenseSplit[S]
    test: DenseSplit[S]
    classes: tuple[str, ...]
    size: tuple[int, int] | None = None  # (H, W) where all images have one size
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    flip: bool = True
    source: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)

    def provenance(self) -> dict[str, Any]:
        """What a row says of its data: name, images, classes, source, skips."""
        return {
            "dataset": self.name,
            "train_images": len(self.train),
            "test_images": len(self.test),
            "classes": len(self.classes),
            "source": self.source,
            "skipped": dict(self.skipped),
        }
