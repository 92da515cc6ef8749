"""`coco:PATH`: images and instances as COCO keeps them (Lin et al. 2014, arXiv 1405.0312).

`PATH/annotations/instances_train2017.json` with `PATH/train2017/`, and `val2017` alike; any other name than
`train2017` works where it starts with `train` (or `val`) and there is one of each.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ablate.data.dense.files import check_all, image_size, read_image
from ablate.data.dense.register import dense_dataset
from ablate.data.dense.samples import DenseDataset, DetectionSample, Task
from ablate.errors import AblateError

LEAST_SIDE = 32
"""Training images with a shorter side are left out, as the published configurations do."""


@dataclass(frozen=True)
class Instance:
    """One annotation, its box already `left, top, right, bottom` and inside the image."""

    box: tuple[float, float, float, float]
    label: int
    area: float
    crowd: bool


@dataclass(frozen=True, eq=False)
class CocoSplit:
    """The images of one annotation file, with their instances."""

    files: tuple[Path, ...]
    ids: tuple[int, ...]
    instances: tuple[tuple[Instance, ...], ...]
    open_ended: bool = False

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> DetectionSample:
        objects = self.instances[index]
        return DetectionSample(
            read_image(self.files[index]),
            torch.tensor([instance.box for instance in objects], dtype=torch.float32).reshape(-1, 4),
            torch.tensor([instance.label for instance in objects], dtype=torch.int64),
            torch.tensor([instance.area for instance in objects], dtype=torch.float32),
            torch.tensor([instance.crowd for instance in objects], dtype=torch.bool),
            self.ids[index],
        )


@dense_dataset("coco", "detection")
def coco(
    task: Task, path: Path, *, size: int | None, train_images: int | None, test_images: int | None
) -> DenseDataset[DetectionSample]:
    """Load and check a COCO folder; labels are the categories in the order of their numbers.

    Training leaves out, and counts: boxes of less than one pixel or outside their image, images without a
    box, and images with a side below 32 pixels. Judging leaves out nothing.
    """
    if size is not None:
        raise AblateError("size is for composed sets; images of files are resized by the schedule")
    skipped: Counter[str] = Counter()
    train, classes = _split(path, "train", skipped, train_images, training=True)
    test, others = _split(path, "val", Counter(), test_images, training=False)
    if classes != others:
        odd = ", ".join(sorted(set(classes) ^ set(others))[:5]) or "their ids have another order"
        raise AblateError(f"{path}: train and val do not have the same categories ({odd})")
    return DenseDataset(path.name, task, train, test, classes, source="COCO folder", skipped=dict(skipped))


def _split(
    root: Path, name: str, skipped: Counter[str], limit: int | None, *, training: bool
) -> tuple[CocoSplit, tuple[str, ...]]:
    file, folder = _places(root, name)
    record = _read(file)
    labels = _labels(file, record["categories"])
    images = _images(file, record["images"])
    by_image: dict[int, list[Instance]] = {number: [] for number in images}
    for position, annotation in enumerate(record["annotations"]):
        instance = _instance(
            f"{file}: annotations[{position}]", annotation, images, labels, skipped, training
        )
        if instance is not None:
            by_image[annotation["image_id"]].append(instance)
    kept = []
    for number, image in images.items():
        if training and min(image["height"], image["width"]) < LEAST_SIDE:
            skipped[f"images with a side below {LEAST_SIDE} pixels"] += 1
        elif training and not any(not instance.crowd for instance in by_image[number]):
            skipped["images without a box"] += 1
        else:
            kept.append(number)
    kept = kept[:limit]
    if not kept:
        raise AblateError(f"{file}: no image is left to use")
    files = tuple(folder / images[number]["file_name"] for number in kept)

    def check(index: int) -> None:
        image = images[kept[index]]
        size = image_size(files[index])
        if size != (image["height"], image["width"]):
            raise AblateError(
                f"{files[index]}: is {size[1]} x {size[0]} pixels, "
                f"but {file} says {image['width']} x {image['height']}"
            )

    check_all(files, check, [file], "coco")
    split = CocoSplit(files, tuple(kept), tuple(tuple(by_image[number]) for number in kept))
    return split, tuple(category["name"] for category in sorted(record["categories"], key=lambda c: c["id"]))


def _places(root: Path, name: str) -> tuple[Path, Path]:
    matches = sorted((root / "annotations").glob(f"instances_{name}*.json"))
    if len(matches) != 1:
        reason = "has several" if matches else "needs"
        raise AblateError(
            f"{root}: a COCO folder {reason} annotations/instances_{name}*.json, "
            f"with the images of instances_{name}2017.json in {name}2017/"
        )
    folder = root / matches[0].stem.removeprefix("instances_")
    if not folder.is_dir():
        raise AblateError(f"{folder}: there is no such folder; {matches[0].name} needs its images there")
    return matches[0], folder


def _read(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AblateError(f"{file}: cannot be read as JSON ({error})") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(record, dict) or not isinstance(record.get(key), list):
            raise AblateError(f"{file}: has no list {key!r}")
    content: dict[str, Any] = record
    return content


def _labels(file: Path, categories: list[Any]) -> dict[int, int]:
    """COCO numbers its categories with gaps (1 to 90 for 80): labels go by their order."""
    try:
        numbers = sorted(int(category["id"]) for category in categories)
        names = [str(category["name"]) for category in categories]
    except (TypeError, KeyError, ValueError):
        raise AblateError(f"{file}: every category needs 'id' and 'name'") from None
    if len(set(numbers)) != len(numbers) or len(set(names)) != len(names) or not numbers:
        raise AblateError(f"{file}: categories must be there and differ in id and in name")
    return {number: label for label, number in enumerate(numbers)}


def _images(file: Path, images: list[Any]) -> dict[int, dict[str, Any]]:
    by_id: dict[int, dict[str, Any]] = {}
    for position, image in enumerate(images):
        missing = [key for key in ("id", "file_name", "height", "width") if key not in image]
        if missing:
            raise AblateError(f"{file}: images[{position}] has no {missing[0]!r}")
        if image["id"] in by_id:
            raise AblateError(f"{file}: images[{position}] has the id {image['id']} of another image")
        by_id[image["id"]] = image
    return by_id


def _instance(
    place: str,
    annotation: Any,
    images: dict[int, dict[str, Any]],
    labels: dict[int, int],
    skipped: Counter[str],
    training: bool,
) -> Instance | None:
    """One annotation, or `None` where the protocol skips it.

    Raises `AblateError` where it cannot be meant.
    """
    missing = [key for key in ("image_id", "category_id", "bbox") if key not in annotation]
    if missing:
        raise AblateError(f"{place} has no {missing[0]!r}")
    image = images.get(annotation["image_id"])
    if image is None:
        raise AblateError(f"{place} belongs to image {annotation['image_id']}, which is not in 'images'")
    place = f"{place} (of {image['file_name']})"
    label = labels.get(annotation["category_id"])
    if label is None:
        raise AblateError(f"{place} has category {annotation['category_id']}, which is not in 'categories'")
    box = annotation["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_finite(value) for value in box)):
        raise AblateError(f"{place}: a bbox is four finite numbers (left, top, width, height), got {box}")
    left, top, width, height = map(float, box)
    if width < 0 or height < 0:
        raise AblateError(f"{place}: a bbox cannot have negative width or height, got {box}")
    inside = (
        max(0.0, left),
        max(0.0, top),
        min(float(image["width"]), left + width),
        min(float(image["height"]), top + height),
    )
    area = float(annotation.get("area", width * height))
    crowd = bool(annotation.get("iscrowd", 0))
    if not training:  # judging takes the box as it was written
        return Instance((left, top, left + width, top + height), label, area, crowd)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        skipped["boxes without area, or outside their image"] += 1
        return None
    if min(width, height) < 1:
        skipped["boxes of less than one pixel"] += 1
        return None
    return Instance(inside, label, area, crowd)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
