"""`masks:PATH`: images and masks of any set, and the split that ADE20K and VOC share.

`PATH/images/train/*.jpg` with `PATH/masks/train/*.png` of the same stems, `val` alike, and `PATH/classes.txt`
with one name a line: the first is label 0. The label 255 is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ablate.data.dense.files import check_all, list_images, read_image, read_mask
from ablate.data.dense.register import dense_dataset
from ablate.data.dense.samples import IGNORED, DenseDataset, SegmentationSample, Task
from ablate.errors import AblateError


@dataclass(frozen=True, eq=False)
class MaskSplit:
    """Image files and mask files, in pairs. With `shifted`, 0 means "no label" and label k is class k - 1."""

    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    shifted: bool = False
    open_ended: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> SegmentationSample:
        return SegmentationSample(read_image(self.images[index]), self.mask(index), index)

    def mask(self, index: int) -> Tensor:
        """Labels uint8 `(H, W)`."""
        mask = read_mask(self.masks[index])
        if not self.shifted:
            return mask
        nothing = (mask == 0) | (mask == IGNORED)
        return torch.where(nothing, torch.full_like(mask, IGNORED), mask - (~nothing).to(torch.uint8))

    def checked(self, classes: Sequence[str]) -> MaskSplit:
        """The split itself. Raises `AblateError` with the name of the first file that is wrong."""

        def check(index: int) -> None:
            sample = self[index]
            if sample.image.shape[1:] != sample.mask.shape:
                (height, width), (rows, columns) = sample.mask.shape, sample.image.shape[1:]
                raise AblateError(
                    f"{self.masks[index]}: is {width} x {height} pixels, its image {columns} x {rows}"
                )
            labels = torch.unique(sample.mask)
            wrong = labels[(labels >= len(classes)) & (labels != IGNORED)].tolist()
            if wrong:
                stored = wrong[0] + self.shifted
                raise AblateError(
                    f"{self.masks[index]}: has the label {stored}, but there are {len(classes)} classes "
                    f"(labels {int(self.shifted)} to {len(classes) - 1 + self.shifted}, and 255 for none)"
                )

        check_all(self.images, check, self.masks, f"masks {len(classes)} {self.shifted}")
        return self


def paired(images: Path, masks: Path, limit: int | None, *, shifted: bool = False) -> MaskSplit:
    """The images of a folder with the masks of the same place and stem in another folder.

    Raises `AblateError` for an image without its mask, and where all images are taken for the reverse.
    """
    files = list_images(images)[:limit]
    partners = [(masks / file.relative_to(images)).with_suffix(".png") for file in files]
    for file, partner in zip(files, partners, strict=True):
        if not partner.is_file():
            raise AblateError(f"{file}: has no mask; it should be {partner}")
    if limit is None and masks.is_dir():
        known = set(partners)
        for mask in sorted(masks.rglob("*.png")):
            if mask not in known and not mask.name.startswith("."):
                raise AblateError(f"{mask}: has no image in {images}")
    return MaskSplit(tuple(files), tuple(partners), shifted)


def refuse_size(size: int | None) -> None:
    """Raise `AblateError` when a size is given to a set of files."""
    if size is not None:
        raise AblateError("size is for composed sets; images of files are resized by the schedule")


@dense_dataset("masks", "segmentation")
def masks(
    task: Task, path: Path, *, size: int | None, train_images: int | None, test_images: int | None
) -> DenseDataset[SegmentationSample]:
    """Load and check a folder of images and masks."""
    refuse_size(size)
    try:
        lines = (path / "classes.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise AblateError(f"{path / 'classes.txt'}: needs one class name a line ({error})") from error
    classes = tuple(line.strip() for line in lines if line.strip())
    if not 2 <= len(classes) <= IGNORED or len(set(classes)) != len(classes):
        raise AblateError(f"{path / 'classes.txt'}: needs 2 to 255 names that differ, has {len(classes)}")
    train, test = (
        paired(path / "images" / name, path / "masks" / name, limit).checked(classes)
        for name, limit in (("train", train_images), ("val", test_images))
    )
    return DenseDataset(path.name, task, train, test, classes, source="folder of masks")
