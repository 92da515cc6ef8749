"""`folder:PATH`: any image set kept as `train/CLASS/*` and `val/CLASS/*` or `test/CLASS/*`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.data.classes import ClassFolders, scan_classes
from ablate.data.files import RESOLUTION, decoded_or_streamed, fits_memory
from ablate.data.pixels import check_header, fitted, read_image
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary, content_of
from ablate.errors import AblateError

if TYPE_CHECKING:
    from torch import Tensor

    from ablate.data.dataset import Split, Splits

LOOKED_AT = 256
"""Files, evenly spread over a split, whose headers are read when a folder is looked at."""


def summary(request: Request, *, path: str) -> Summary:
    """What an image folder holds; a few headers are read, nothing is decoded."""
    splits = scan(Path(path).expanduser())
    train = splits["train"]
    for split in splits.values():
        for file in split.files[:: -(-len(split.files) // LOOKED_AT)]:
            check_header(file)
    others = [name for split in splits.values() for name in split.others]
    notes = (f"{path}: {len(others):,} files are no images, as {others[0]}",) if others else ()
    return Summary(
        f"folder:{path}",
        len(train.classes),
        {name: len(split.files) for name, split in splits.items()},
        3,
        None,
        train.classes,
        train.per_class,
        notes,
        content_of(Path(path).expanduser(), (name for split in splits.values() for name in split.files)),
    )


@dataset("folder", flip=True, after_colon="path", inspect=summary)
def folder(request: Request, *, path: str) -> Splits:
    """Image files in train/CLASS/ and val/CLASS/ or test/CLASS/."""
    from ablate.data.dataset import Splits

    size = request.resolution or (RESOLUTION, RESOLUTION)
    splits, classes = image_folder(Path(path).expanduser(), size)
    test = splits.get("test") or splits["val"]
    val = splits["val"] if "test" in splits and "val" in splits else None
    return Splits(splits["train"], test, classes, val, channels=3, native_resolution=size)


class DecodedImages:
    """Image files decoded on access: uint8 `(3, H, W)`, resized to cover that size, the centre cropped."""

    def __init__(self, files: Sequence[str], size: tuple[int, int]):
        self.files, self.size = files, size

    def __len__(self) -> int:
        return len(self.files)

    def check(self, index: int) -> None:
        """Raise `AblateError` when file `index` is seen to be broken, without decoding it."""
        check_header(self.files[index])

    def __getitem__(self, index: int) -> Tensor:
        return fitted(read_image(self.files[index]), self.size)


def image_folder(
    root: Path, size: tuple[int, int], *, in_memory: int | None = None, workers: int | None = None
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """The splits of an image folder by name (`train`, and `test` or `val` or both), and its classes' names.

    When all images together take at most `in_memory` bytes at `size` (default: 1 GiB), they are decoded
    once; else they stream through `workers` threads (default: one per core, at most 8), after a look at the
    header of every file. Raises `AblateError` when a folder is missing or empty, when the splits disagree
    about the classes, and for a file that cannot be read.
    """
    splits = scan(root)
    fits = fits_memory(sum(len(split.files) for split in splits.values()), size, in_memory)
    sets: dict[str, Split] = {
        name: decoded_or_streamed(DecodedImages(split.files, size), split.labels, fits, workers=workers)
        for name, split in splits.items()
    }
    return sets, splits["train"].classes


def scan(root: Path) -> dict[str, ClassFolders]:
    """The files of an image folder by split. Raises `AblateError` when they make no training and test set."""
    if not (root / "train").is_dir():
        missing = f"{root}: no such folder" if not root.is_dir() else f"{root}"
        raise AblateError(
            f"{missing}: an image folder needs train/CLASS/*.jpg (or .png, ...), and val/ or test/ alike"
        )
    splits = {name: scan_classes(root / name) for name in ("train", "val", "test") if (root / name).is_dir()}
    if len(splits) == 1:
        raise AblateError(f"{root}: an image folder needs val/ or test/ beside train/")
    classes = splits["train"].classes
    for name, split in splits.items():
        if split.classes != classes:
            odd = sorted(set(split.classes) ^ set(classes))
            raise AblateError(
                f"{root}: train/ and {name}/ do not have the same classes ({', '.join(odd[:5])})"
            )
    return splits
