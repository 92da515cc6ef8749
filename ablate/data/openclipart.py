"""`openclipart`: drawings of things in the public domain, from Debian's package `openclipart-png`.

6,900 files in folders by subject, of any size, most of them on a transparent ground (which is read as white).
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.classes import ClassFolders, scan_classes
from ablate.data.pixels import fitted, read_image
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary, content_of
from ablate.errors import AblateError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ablate.data.dataset import Splits

DEBIAN = Path("/usr/share/openclipart/png")
NO_SUBJECT = ("special", "unsorted")
"""Folders that have no subject."""
SAME = 4.0
"""Mean difference of two thumbnails, in grey levels of 255, up to which their drawings count as one."""
LARGEST = 1024 * 1024
"""Pixels of a drawing above which it is left out: some are of 600 million."""
RESOLUTION = 64


def summary(request: Request, *, cap: int = 200, least: int = 60) -> Summary:
    """What `openclipart` will load at most: which drawings are the same is seen when they are read."""
    subjects = _subjects(request, least)
    counts = [min(cap, len(files)) for files in subjects.values()]
    images = {
        "train": sum(count - count // 4 for count in counts),
        "test": sum(count // 4 for count in counts),
    }
    per_class = (min(count - count // 4 for count in counts), max(count - count // 4 for count in counts))
    files = [file for subject in subjects.values() for file in subject]
    content = content_of(Path(os.path.commonpath(files)), files)
    note = "openclipart: the numbers of images are before drawings that are the same are left out"
    return Summary(
        "openclipart", len(subjects), images, 3, None, tuple(subjects), per_class, (note,), content
    )


@dataset("openclipart", flip=True, inspect=summary)
def openclipart(request: Request, *, cap: int = 200, least: int = 60) -> Splits:
    """Drawings by subject (animals, food, people, ...) from Debian's openclipart-png, split by file.

    Subjects with at least `least` files, of each at most `cap` drawings, chosen by a hash of their names; of
    drawings that are the same but for their size only the first is taken, and of huge ones none. A quarter of
    each class is the test part. Raises `AblateError` when the package is not installed and `data_dir` has
    none of its folders.
    """
    import torch

    from ablate.data.dataset import Splits, TensorSplit

    if cap < 4 or least < 4:
        raise AblateError(f"openclipart: cap and least must be at least 4, got {cap} and {least}")
    size = request.resolution or (RESOLUTION, RESOLUTION)
    subjects = _subjects(request, least)
    seen = _Seen()
    parts: dict[str, list[tuple[Tensor, int]]] = {"train": [], "test": []}
    for label, files in enumerate(subjects.values()):
        for place, image in enumerate(_distinct(files, cap, seen, size)):
            parts["test" if place % 4 == 3 else "train"].append((image, label))
    train, test = (
        TensorSplit(torch.stack([image for image, _ in part]), torch.tensor([label for _, label in part]))
        for part in parts.values()
    )
    return Splits(train, test, tuple(subjects))


class _Seen:
    """Thumbnails of the drawings taken so far."""

    def __init__(self) -> None:
        import numpy as np

        self.thumbnails = np.zeros((0, 16, 16), np.float32)

    def add(self, image: Image.Image) -> bool:
        """Remember a drawing; whether it is a new one."""
        import numpy as np

        thumbnail = np.asarray(image.convert("L").resize((16, 16)), np.float32)
        if len(self.thumbnails) and np.abs(self.thumbnails - thumbnail).mean((1, 2)).min() <= SAME:
            return False
        self.thumbnails = np.concatenate([self.thumbnails, thumbnail[None]])
        return True


def _distinct(files: list[str], cap: int, seen: _Seen, size: tuple[int, int]) -> Iterator[Any]:
    taken = 0
    for file in files:
        if _pixels(file) <= LARGEST and seen.add(image := read_image(file)):
            yield fitted(_squared(image), size)
            taken += 1
        if taken == cap:
            return


def _pixels(file: str) -> int:
    """The number of pixels that a PNG file's header states; 0 for any other file."""
    with open(file, "rb") as stream:
        head = stream.read(24)
    width, height = struct.unpack(">16x2I", head) if head[:4] == b"\x89PNG" and len(head) == 24 else (0, 0)
    return int(width * height)


def _squared(image: Image.Image) -> Image.Image:
    """The whole drawing in the middle of a white square: to crop it would cut off what it shows."""
    from PIL import ImageOps

    side = max(image.size)
    return ImageOps.pad(image, (side, side), color="white")


def _subjects(request: Request, least: int) -> dict[str, list[str]]:
    """The files of each subject that has enough, in the order of a hash of their names."""
    for root in (DEBIAN,) if request.data_dir is None else (request.data_dir, DEBIAN):
        if root.is_dir() and any((root / name).is_dir() for name in ("animals", "food", "people")):
            folders = scan_classes(root)
            break
    else:
        raise AblateError(
            f"openclipart: its drawings are not in {DEBIAN}; on Debian: apt-get install openclipart-png, "
            f"or name a folder that has its folders (animals, food, people, ...) with --data-dir"
        )
    subjects = {name: files for name, files in _by_class(folders).items() if name not in NO_SUBJECT}
    enough = {name: sorted(files, key=_shuffled) for name, files in subjects.items() if len(files) >= least}
    if len(enough) < 2:
        raise AblateError(
            f"openclipart: {len(enough)} of the subjects in {root} have {least} files, expected two"
        )
    return enough


def _by_class(folders: ClassFolders) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {name: [] for name in folders.classes}
    for file, label in zip(folders.files, folders.labels, strict=True):
        files[folders.classes[label]].append(file)
    return files


def _shuffled(file: str) -> str:
    return hashlib.sha256(Path(file).name.encode()).hexdigest()
