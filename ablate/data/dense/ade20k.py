"""`ade20k:PATH`: the scene parsing benchmark, `ADEChallengeData2016` (Zhou et al. 2017): 150 classes.

`PATH/images/training`, `PATH/annotations/training`, and `validation` alike. In its files 0 is "other": those
pixels are neither trained on nor judged, and label k is class k - 1.
"""

from __future__ import annotations

from pathlib import Path

from ablate.data.dense.masks import paired, refuse_size
from ablate.data.dense.register import dense_dataset
from ablate.data.dense.samples import DenseDataset, SegmentationSample, Task

CLASSES = 150


@dense_dataset("ade20k", "segmentation")
def ade20k(
    task: Task, path: Path, *, size: int | None, train_images: int | None, test_images: int | None
) -> DenseDataset[SegmentationSample]:
    """Load and check ADE20K; names come from `objectInfo150.txt` where it is there."""
    refuse_size(size)
    classes = class_names(path / "objectInfo150.txt")
    train, test = (
        paired(path / "images" / name, path / "annotations" / name, limit, shifted=True).checked(classes)
        for name, limit in (("training", train_images), ("validation", test_images))
    )
    return DenseDataset(path.name, task, train, test, classes, source="ADE20K")


def class_names(file: Path) -> tuple[str, ...]:
    """The names in the last column of the benchmark's table, or `class 1` to `class 150` without it."""
    try:
        rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    except (OSError, ValueError):
        rows = []
    names = tuple(row[-1].split(",")[0].strip() for row in rows if len(row) > 1)
    return names if len(names) == CLASSES else tuple(f"class {number}" for number in range(1, CLASSES + 1))
