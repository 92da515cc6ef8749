"""`voc:PATH`: one year of Pascal VOC (`VOCdevkit/VOC2012`): 20 classes and the background.

`PATH/JPEGImages`, `PATH/SegmentationClass`, and the lists `PATH/ImageSets/Segmentation/train.txt`, `val.txt`.
"""

from __future__ import annotations

from pathlib import Path

from ablate.data.dense.masks import MaskSplit, refuse_size
from ablate.data.dense.register import dense_dataset
from ablate.data.dense.samples import DenseDataset, SegmentationSample, Task
from ablate.errors import AblateError

CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


@dense_dataset("voc", "segmentation")
def voc(
    task: Task, path: Path, *, size: int | None, train_images: int | None, test_images: int | None
) -> DenseDataset[SegmentationSample]:
    """Load and check a VOC folder; the borders of objects (255) are ignored."""
    refuse_size(size)
    train, test = _split(path, "train", train_images), _split(path, "val", test_images)
    both = set(train.images) & set(test.images)
    if both:
        raise AblateError(f"{path}: {min(both).stem} is in train.txt and in val.txt")
    return DenseDataset(path.name, task, train, test, CLASSES, source="Pascal VOC")


def _split(root: Path, name: str, limit: int | None) -> MaskSplit:
    file = root / "ImageSets" / "Segmentation" / f"{name}.txt"
    try:
        stems = file.read_text(encoding="utf-8").split()[:limit]
    except (OSError, ValueError) as error:
        raise AblateError(f"{file}: cannot be read ({error})") from error
    if not stems:
        raise AblateError(f"{file}: names no image")
    images = tuple(root / "JPEGImages" / f"{stem}.jpg" for stem in stems)
    masks = tuple(root / "SegmentationClass" / f"{stem}.png" for stem in stems)
    return MaskSplit(images, masks).checked(CLASSES)
