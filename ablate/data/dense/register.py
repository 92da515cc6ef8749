"""The register of dense sets: a name, the tasks it serves, and the function that loads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from ablate.data.dense.samples import DenseDataset, Task
from ablate.errors import AblateError, did_you_mean

MODULES = ("ade20k", "coco", "cutouts", "masks", "voc")
"""The files of this room that hold a set."""


@dataclass(frozen=True)
class Entry:
    """A set: `load(task, path, options)`; `path` is what stands after the colon of its name, if anything.

    A set of files needs the path of a folder there. A composed one takes one of its `kinds`, or nothing.
    """

    name: str
    tasks: tuple[Task, ...]
    kinds: tuple[str, ...]
    load: Callable[..., DenseDataset[Any]]


_entries: dict[str, Entry] = {}
L = TypeVar("L", bound=Callable[..., DenseDataset[Any]])


def dense_dataset(name: str, *tasks: Task, kinds: Iterable[str] = ()) -> Callable[[L], L]:
    """Register a loader `(task, path, *, size, train_images, test_images) -> DenseDataset` under a name."""

    def register(load: L) -> L:
        if name in _entries:
            raise ValueError(f"there is a dense set {name!r} already")
        _entries[name] = Entry(name, tasks, tuple(kinds), load)
        return load

    return register


def entries() -> dict[str, Entry]:
    """All sets by name."""
    for module in MODULES:
        import_module(f"ablate.data.dense.{module}")
    return _entries


def dense_names(task: Task | None = None) -> tuple[str, ...]:
    """The names that `load_dense` knows, of one task or of both."""
    return tuple(sorted(name for name, entry in entries().items() if task is None or task in entry.tasks))


def split_name(name: str, task: Task) -> tuple[Entry, Path | None]:
    """`coco:PATH` as its entry and its path, with `~` for the home folder.

    Raises `AblateError` when there is no such set, when it does not serve the task, when a path is missing or
    the kind is unknown. Files are not looked at.
    """
    word, colon, rest = name.partition(":")
    known = dense_names(task)
    if word not in known:
        other = f" (it is not for {task})" if word in entries() else ""
        raise AblateError(f"unknown set for {task} {word!r}{other}{did_you_mean(word, known)}")
    entry = entries()[word]
    if not entry.kinds and not rest:
        raise AblateError(f"{word} needs a folder: {word}:PATH")
    if entry.kinds and colon and rest not in entry.kinds:
        kinds = ", ".join(entry.kinds)
        raise AblateError(
            f"{word} takes {kinds} after its colon, got {rest!r}{did_you_mean(rest, entry.kinds)}"
        )
    return entry, Path(rest).expanduser() if rest else None


def load_dense(
    name: str,
    task: Task,
    *,
    size: int | None = None,
    train_images: int | None = None,
    test_images: int | None = None,
) -> DenseDataset[Any]:
    """The set `name` for `task`, with every file and annotation checked.

    `size` is the side of composed images in pixels; `train_images` and `test_images` say how many there are
    of them (a training epoch) or, for sets of files, keep the first so many. Raises `AblateError` with the
    file's name for bad data.
    """
    entry, path = split_name(name, task)
    for option, value in (("size", size), ("train_images", train_images), ("test_images", test_images)):
        if value is not None and value < 1:
            raise AblateError(f"{option} must be at least 1, got {value}")
    return entry.load(task, path, size=size, train_images=train_images, test_images=test_images)
