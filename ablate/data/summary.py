"""`Summary`: what is known of an image set before anything is decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.errors import AblateError


@dataclass(frozen=True)
class Summary:
    """What a set holds. `images` is the number of images per split; `per_class` the least and the largest
    number of training images that a class has, where that is known; `resolution` is the set's own height and
    width in pixels, `None` where its images differ; `notes` are things that deserve a warning;
    `content` is a hash of the names and sizes of the files on this machine, empty for a published set: two
    runs with another content are not comparable.
    """

    name: str
    classes: int
    images: dict[str, int]
    channels: int = 3
    resolution: tuple[int, int] | None = None
    class_names: tuple[str, ...] = ()
    per_class: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    content: str = ""

    def require_classes(self, classes: int | None) -> None:
        """Raise `AblateError` when a network with that many classes cannot name all classes of the set."""
        if classes is not None and classes < self.classes:
            raise AblateError(f"{self.name} has {self.classes:,} classes, but the study says {classes:,}")

    def to_json(self) -> dict[str, Any]:
        """The summary as plain lists and dictionaries."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Summary:
        """The summary that `to_json` has written."""
        tuples = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
            if key in ("resolution", "class_names", "per_class", "notes")
        }
        return Summary(**values | tuples)


def content_of(root: Path, files: Iterable[str | Path]) -> str:
    """A hash of the names below `root`, and the sizes, of files, in whatever order they come."""
    lines = sorted(f"{os.path.relpath(file, root)}\0{os.path.getsize(file)}" for file in files)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]
