"""Image and mask files: decoding with clear errors, and a check of all of them before training starts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ablate.data.load import cache_dir
from ablate.errors import AblateError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_image(path: Path) -> Tensor:
    """An image file as uint8 `(3, H, W)`. Raises `AblateError` with the file's name."""
    pixels = np.array(_open(path, "RGB"))  # a copy, which torch may write to
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_mask(path: Path) -> Tensor:
    """A mask file as uint8 `(H, W)`: palette indices or grey values, as they are stored.

    Raises `AblateError` with the file's name, also for masks in colour or with more than 8 bits.
    """
    image = _open(path, None)
    if image.mode not in ("L", "P", "1"):
        raise AblateError(
            f"{path}: a mask has one label a pixel (8-bit grey or palette), this is {image.mode}"
        )
    return torch.from_numpy(np.array(image, dtype=np.uint8))


def _open(path: Path, mode: str | None) -> Image.Image:
    try:
        with Image.open(path) as image:
            if mode is not None:
                return image.convert(mode)
            image.load()
            return image.copy()
    except FileNotFoundError:
        raise AblateError(f"{path}: there is no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise AblateError(f"{path}: cannot be read as an image ({error})") from error


def image_size(path: Path) -> tuple[int, int]:
    """`(H, W)` of an image file, decoded whole: a file that breaks off is an error here, not later."""
    image = _open(path, "RGB")
    return image.height, image.width


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder and its subfolders, sorted. Raises `AblateError` when there is none."""
    if not folder.is_dir():
        raise AblateError(f"{folder}: there is no such folder")
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not images:
        raise AblateError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    return images


def check_all(
    files: Sequence[Path], check: Callable[[int], None], also: Iterable[Path] = (), salt: str = ""
) -> None:
    """Call `check(index)` for every file, in threads (decoding releases the interpreter).

    The first error in the order of the files is raised. What passed is remembered in the cache by path, size
    and time of every file, so that the next run of an unchanged set starts at once; `salt` names what else
    the verdict depends on.
    """
    stamp = cache_dir() / "checked" / _fingerprint([*files, *also], salt)
    if stamp.exists():
        return
    with ThreadPoolExecutor(min(16, len(os.sched_getaffinity(0)))) as pool:
        for _ in pool.map(check, range(len(files))):
            pass
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    except OSError:  # a cache that cannot be written costs time, not results
        pass


def _fingerprint(files: Sequence[Path], salt: str) -> str:
    digest = hashlib.sha256(salt.encode())
    for path in files:
        try:
            status = path.stat()
        except OSError:
            raise AblateError(f"{path}: there is no such file") from None
        digest.update(f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
