"""What an ImageNet run asks about its images before anything is trained."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from ablate.errors import AblateError
from ablate.runners.imagenet.data import load_images, root_of
from ablate.runners.imagenet.recipes import imagenet_recipe


def inspect_settings(settings: Any) -> str:
    """What the images are. Raises `AblateError` that says where they must lie, or which one is broken."""
    root = root_of(settings.data)
    recipe = imagenet_recipe(settings.recipe)
    train, test, classes = load_images(root, recipe, 0, check=settings.check)
    return f"{root}: {classes:,} classes, images {len(train):,} train, {len(test):,} validation"


def content_of(condition: Any) -> str:
    """A text that is another when classes come or go, or images of one; empty where there are no folders."""
    try:
        return _content(root_of(condition.data))
    except AblateError:  # the cell says so
        return ""


@cache
def _content(root: str) -> str:
    digest = hashlib.sha256()
    for split in ("train", "val", "validation"):
        folder = Path(root) / split
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            count = sum(1 for _ in entry.iterdir()) if entry.is_dir() else entry.stat().st_size
            digest.update(f"{split}/{entry.name} {count}\n".encode())
    return digest.hexdigest()[:24] if Path(root).is_dir() else ""
