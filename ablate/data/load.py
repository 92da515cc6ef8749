"""`load`: from a set's name to a `Dataset` at one resolution."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ablate.data import cifar, digits, fashion_mnist, folder
from ablate.data.dataset import (
    RESIZED_LIMIT,
    Dataset,
    Split,
    TensorSplit,
    pixel_statistics,
    resize,
    stratified,
)
from ablate.errors import AblateError
from ablate.measurements.fields import DATASETS, FOLDER, known_dataset

FOLDER_RESOLUTION = 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def names() -> tuple[str, ...]:
    """The names that `load` knows; besides, `folder:PATH`, or a path with a slash, is any image folder."""
    return DATASETS


def check_name(name: str) -> None:
    """Raise `AblateError` when `load` would not know this name."""
    try:
        known_dataset(name)
    except ValueError as error:
        raise AblateError(str(error)) from None


def folder_of(name: str) -> Path | None:
    """The image folder that a name means: after `folder:`, or any name with a slash in it; else `None`."""
    if not name.startswith(FOLDER) and "/" not in name:
        return None
    return Path(name.removeprefix(FOLDER)).expanduser()


def cache_dir() -> Path:
    """Where downloads go: `$XDG_CACHE_HOME/ablate`, by default `~/.cache/ablate`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ablate"


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    resolution: int | tuple[int, int] | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The image set `name`, resized once to `resolution` (pixels; default: its own, 224 for folders).

    `subset` keeps that many training images, stratified by class; `seed` says which. The choice depends on
    nothing else, so that all layouts and all seeds of a study train on the same images. Raises `AblateError`
    for an unknown name, missing files or a subset that is too small or too large.
    """
    check_name(name)
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    if size is not None and min(size) < 1:
        raise AblateError(f"resolution must be at least 1 pixel, got {resolution}")
    where = Path(data_dir) if data_dir is not None else None
    images = folder_of(name)
    dataset = _tensors(name, where) if images is None else _folder(name, images, size)
    if subset is not None and subset != len(dataset.train):
        kept, _ = stratified(dataset.train.labels, subset, seed)
        dataset = replace(dataset, train=dataset.train.select(kept))
    return dataset if size is None else _resized(dataset, size)


def _tensors(name: str, data_dir: Path | None) -> Dataset:
    """One of the named sets at its own resolution."""
    if name == "digits":
        (train, test), classes = digits.digits(), digits.CLASSES
    elif name == "fashion-mnist":
        train, test = fashion_mnist.fashion_mnist(data_dir, cache_dir())
        classes = fashion_mnist.CLASSES
    else:
        train, test, classes = cifar.cifar(name, data_dir, cache_dir())
    mean, std = pixel_statistics(train.images)
    _, channels, height, width = train.images.shape
    size = (height, width)
    return Dataset(name, train, test, classes, channels, size, size, mean, std, flip=name != "digits")


def _folder(name: str, root: Path, size: tuple[int, int] | None) -> Dataset:
    """An image folder, decoded straight to the wanted size."""
    size = size or (FOLDER_RESOLUTION, FOLDER_RESOLUTION)
    splits, classes = folder.image_folder(root, size)
    train = splits["train"]
    if isinstance(train, TensorSplit):
        mean, std = pixel_statistics(train.images)
    else:  # one more pass over the files would cost as much as an epoch
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    test = splits.get("test") or splits["val"]
    val = splits["val"] if "test" in splits and "val" in splits else None
    return Dataset(name, train, test, classes, 3, size, size, mean, std, flip=True, val=val)


def _resized(dataset: Dataset, size: tuple[int, int]) -> Dataset:
    """The set at another resolution: resized now if that fits into memory, else by `to_input` later."""

    def convert(split: Split) -> Split:
        if not isinstance(split, TensorSplit):
            return split
        if len(split) * dataset.channels * size[0] * size[1] > RESIZED_LIMIT:
            return split
        return TensorSplit(resize(split.images, size), split.labels)

    return replace(
        dataset,
        resolution=size,
        train=convert(dataset.train),
        test=convert(dataset.test),
        val=None if dataset.val is None else convert(dataset.val),
    )
