"""Class folders: which files of `CLASS/*` are images, at any depth, and which class each is of."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ablate.errors import AblateError

STUBS = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
"""Formats that Pillow lists among those it opens, but needs other programs for."""


@dataclass(frozen=True)
class ClassFolders:
    """The image files of one split: `files[i]` is of class `labels[i]`. `others` are files that were left out
    because their names are no images'."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[int, ...]
    others: tuple[str, ...]

    @property
    def per_class(self) -> tuple[int, int]:
        """The least and the largest number of images of a class."""
        counts = Counter(self.labels).values()
        return min(counts), max(counts)


def scan_classes(root: Path) -> ClassFolders:
    """All images below the folders of `root`, each folder a class; classes and files in the order of names.

    Names that start with a dot are no data, at any depth. Raises `AblateError` when there is no class folder,
    when one has no image, for a link to nothing, or when a folder cannot be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(root) if _shown(entry) and entry.is_dir())
        files: list[str] = []
        labels: list[int] = []
        others: list[str] = []
        for label, name in enumerate(names):
            before = len(files)
            for path in _walk(str(root / name), ()):
                (files if os.path.splitext(path)[1].lower() in suffixes() else others).append(path)
            if len(files) == before:
                content = f"only other files, as {os.path.basename(others[-1])}" if others else "no file"
                raise AblateError(f"{root / name}: a class without an image ({content})")
            labels += [label] * (len(files) - before)
    except OSError as error:
        raise AblateError(f"{error.filename or root}: {error.strerror or error}") from error
    if not names:
        raise AblateError(f"{root}: no class folder in it; images stand in {root.name}/CLASS/")
    return ClassFolders(root, tuple(names), tuple(files), tuple(labels), tuple(others))


@cache
def suffixes() -> frozenset[str]:
    """What the names of image files end with, in small letters, after what Pillow can open."""
    from PIL import Image

    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in STUBS)


def _shown(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".")


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[str]:
    """The files below a folder, in the order of their names; links are followed, but not in circles."""
    here = os.path.realpath(folder)
    if here in above:
        return
    for entry in sorted(filter(_shown, os.scandir(folder)), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry.path, (*above, here))
        elif entry.is_file():  # no pipe or device: to open it may wait for ever
            yield entry.path
        elif entry.is_symlink() and not os.path.exists(entry.path):
            raise AblateError(f"{entry.path}: a link to {os.readlink(entry.path)}, which is not there")
