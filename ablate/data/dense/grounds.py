"""What composed images stand on: photographs where the system has some, drawn grounds elsewhere."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ablate.errors import AblateError

PHOTOGRAPHS = (Path("/usr/share/backgrounds"), Path("/usr/share/wallpapers"))
"""Where Debian's wallpaper packages put their files."""

LEAST = 6
"""Photographs that are needed, so that the splits share none."""


@lru_cache(8)
def photographs(split: str, roots: tuple[Path, ...] = PHOTOGRAPHS) -> tuple[npt.NDArray[Any], ...]:
    """The split's photographs, uint8 `(h, w, 3)` with a longer side of 640; none where there are too few.

    Every third one, in the order of their paths, belongs to the test split. The same picture in several sizes
    is told by its stem or, where packages keep one folder a picture, by that folder.
    """
    from ablate.data.dense.files import SUFFIXES

    files: dict[str, Path] = {}
    for root in roots:
        for file in sorted(root.rglob("*")) if root.is_dir() else ():
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.is_symlink():
                picture = (
                    file.parent.parent.parent
                    if file.parent.parent.name == "contents"
                    else file.with_suffix("")
                )
                files.setdefault(str(picture), file)
    if len(files) < LEAST:
        return ()
    chosen = [
        file for index, (_, file) in enumerate(sorted(files.items())) if (index % 3 == 2) == (split == "test")
    ]
    return tuple(_load(file) for file in chosen)


def _load(file: Path) -> npt.NDArray[Any]:
    try:
        with Image.open(file) as image:
            image.draft("RGB", (640, 640))
            small = image.convert("RGB")
    except (OSError, ValueError) as error:
        raise AblateError(f"{file}: cannot be read as an image ({error})") from error
    small.thumbnail((640, 640))
    return np.array(small)


def ground(
    side: int, random: np.random.Generator, pictures: tuple[npt.NDArray[Any], ...]
) -> npt.NDArray[Any]:
    """One ground, float32 `(side, side, 3)` in 0..255: a crop of a photograph, or noise on a gradient."""
    if pictures:
        picture = pictures[int(random.integers(len(pictures)))]
        height, width = picture.shape[:2]
        crop = int(random.integers(min(side, height, width), min(height, width) + 1))
        top, left = int(random.integers(height - crop + 1)), int(random.integers(width - crop + 1))
        part = Image.fromarray(picture[top : top + crop, left : left + crop])
        return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
    corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    gradient = _enlarged(corners, side)
    cells = int(random.integers(3, max(4, side // 3)))
    noise = _enlarged(random.integers(0, 256, (cells, cells, 3)).astype(np.uint8), side)
    share = random.uniform(0.05, 0.35)
    return (1 - share) * gradient + share * noise


def _enlarged(pixels: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)
