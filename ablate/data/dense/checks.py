"""What `detection` and `segmentation` ask about their data before anything is trained."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ablate.data import checks as images
from ablate.data.dense.register import load_dense, split_name
from ablate.errors import AblateError, Mistake

NAMED = ("none", "accuracy", "timm")
TEXTS = (".json", ".txt")


def check_settings(settings: Any, size: Any) -> list[Mistake]:
    """The mistakes in the set's name and in `pretrain`. Looks at no file."""
    mistakes = []
    try:
        _, path = split_name(settings.dataset, settings.task)
        if settings.size is not None and path is not None and path.is_dir():
            mistakes.append(
                Mistake("size is for composed sets; images of files are resized by the schedule", ("size",))
            )
    except AblateError as error:
        mistakes.append(Mistake(str(error), ("dataset",)))
    if settings.pretrain == "accuracy" and settings.accuracy is None:
        mistakes.append(
            Mistake(
                "pretrain: accuracy takes the weights of the study's `accuracy`, which it has not",
                ("pretrain",),
            )
        )
    return mistakes


def inspect_settings(settings: Any) -> str:
    """What the set is, from a look at every file of it. Raises `AblateError` with the name of a bad one."""
    weights = Path(settings.pretrain).expanduser()
    if settings.pretrain not in NAMED and not weights.is_file():
        raise AblateError(
            f"pretrain: {weights}: there is no such file; known besides files: {', '.join(NAMED)}"
        )
    data = load_dense(
        settings.dataset,
        settings.task,
        size=settings.size,
        train_images=settings.train_images,
        test_images=settings.test_images,
    )
    skipped = "".join(f"; {count:,} {reason} left out of training" for reason, count in data.skipped.items())
    sizes = f"{len(data.train):,} train, {len(data.test):,} test"
    return f"{settings.dataset}: {len(data.classes)} classes, images {sizes}, {data.source}{skipped}"


def content_of(condition: Any) -> str:
    """A text that is another when the files of the set, or of the weights, are."""
    parts = [_content(str(split_name(condition.dataset, condition.task)[1] or ""))]
    if condition.pretrain not in NAMED:
        parts.append(_content(condition.pretrain))
    if condition.classifier is not None:
        parts.append(images.content_of(condition.classifier))
    return " ".join(parts)


@cache
def _content(name: str) -> str:
    """Names and sizes of all files, and what annotations and lists hold; empty where there is nothing."""
    root = Path(name).expanduser()
    if not name or not root.exists():
        return ""
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if not file.is_file():
            continue
        digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\n".encode())
        if file.suffix in TEXTS or file == root:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:24]


def files_of(condition: Any) -> tuple[str, ...]:
    """The files that the sets are written in."""
    entry, _ = split_name(condition.dataset, condition.task)
    own = str(sys.modules[entry.load.__module__].__file__)
    if condition.classifier is None:
        return (own,)
    return (own, *images.files_of(condition.classifier.dataset))
