"""`load`: from a set's name to a `Dataset` at one resolution; `inspect`: what is known of it before."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.data.call import check_name
from ablate.data.register import Request, entries, find_entry
from ablate.data.summary import Summary
from ablate.errors import AblateError

if TYPE_CHECKING:
    from ablate.data.dataset import Dataset, Splits
    from ablate.data.splits import Split

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def names() -> tuple[str, ...]:
    """The registered sets' names; besides, a path with a slash is any image folder."""
    return tuple(entries())


def cache_dir() -> Path:
    """Where downloads go: `$XDG_CACHE_HOME/ablate`, by default `~/.cache/ablate`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ablate"


def load(
    text: str,
    *,
    data_dir: str | Path | None = None,
    resolution: int | tuple[int, int] | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The image set that `text` names, resized once to `resolution` pixels (default: its own, 224 for files).

    `subset` keeps that many training images, stratified by class; `seed` says which. The choice depends on
    nothing else, so that all layouts and all seeds of a study train on the same images. Raises `AblateError`
    for an unknown name or argument, missing files or a subset that is too small or too large.
    """
    from ablate.data.dataset import stratified
    from ablate.data.splits import DrawnSplit

    call = check_name(text)
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    if size is not None and min(size) < 1:
        raise AblateError(f"resolution must be at least 1 pixel, got {resolution}")
    entry = find_entry(call.name)
    splits = entry.loader(_request(data_dir, size), **call.kwargs)
    dataset = _dataset(text, splits, entry.flip)
    if subset is not None and subset != len(dataset.train):
        if isinstance(dataset.train, DrawnSplit):
            raise AblateError(
                f"{text} is drawn: `subset` cannot choose from it; `images` says how many there are"
            )
        kept, _ = stratified(dataset.train.labels, subset, seed)
        dataset = replace(dataset, train=dataset.train.select(kept))
    return dataset if size is None else _resized(dataset, size)


def inspect(text: str, *, data_dir: str | Path | None = None, classes: int | None = None) -> Summary:
    """What a set holds, looked up without decoding its images.

    Raises `AblateError` when it cannot be loaded as it stands: files that are missing, splits that disagree,
    or more classes than `classes`, the number that a network shall tell apart.
    """
    call = check_name(text)
    entry = find_entry(call.name)
    if entry.inspector is not None:
        summary = replace(entry.inspector(_request(data_dir, None), **call.kwargs), name=text)
    else:
        summary = summary_of(load(text, data_dir=data_dir))
    summary.require_classes(classes)
    return summary


def summary_of(dataset: Dataset) -> Summary:
    """The summary of a set that is loaded."""
    parts = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    from ablate.data.splits import DrawnSplit

    balance = None
    if not (dataset.per_token or isinstance(dataset.train, DrawnSplit)):  # drawn images are there when wanted
        counts = dataset.train.labels.bincount(minlength=len(dataset.classes))
        balance = int(counts.min()), int(counts.max())
    return Summary(
        dataset.name,
        len(dataset.classes),
        {name: len(split) for name, split in parts.items() if split is not None},
        dataset.channels,
        dataset.native_resolution,
        dataset.classes,
        balance,
    )


def _request(data_dir: str | Path | None, size: tuple[int, int] | None) -> Request:
    return Request(Path(data_dir).expanduser() if data_dir is not None else None, cache_dir(), size)


def _dataset(name: str, splits: Splits, flip: bool) -> Dataset:
    from ablate.data.dataset import Dataset, pixel_statistics
    from ablate.data.splits import DrawnSplit, TensorSplit

    train = splits.train.held_out(256, 0) if isinstance(splits.train, DrawnSplit) else splits.train
    mean, std = splits.mean, splits.std
    if isinstance(train, TensorSplit):
        _, channels, height, width = train.images.shape
        native = splits.native_resolution or (height, width)
        size = (height, width)
        if mean is None or std is None:
            mean, std = pixel_statistics(train.images)
    else:  # to look at all files would cost as much as an epoch
        assert splits.native_resolution is not None
        channels, size = splits.channels or 3, splits.native_resolution
        native = size
        if mean is None or std is None:
            mean, std = (
                (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else ((0.5,) * channels, (0.5,) * channels)
            )
    return Dataset(
        name,
        splits.train,
        splits.test,
        splits.classes,
        channels,
        native,
        size,
        mean,
        std,
        flip,
        splits.val,
        splits.group_names,
    )


def _resized(dataset: Dataset, size: tuple[int, int]) -> Dataset:
    """The set at another resolution: resized now if that fits into memory, else by `to_input` later."""
    from ablate.data.dataset import RESIZED_LIMIT, resize
    from ablate.data.splits import TensorSplit

    def convert(split: Split) -> Split:
        if not isinstance(split, TensorSplit):
            return split
        if len(split) * dataset.channels * size[0] * size[1] > RESIZED_LIMIT:
            return split
        return replace(split, images=resize(split.images, size))

    return replace(
        dataset,
        resolution=size,
        train=convert(dataset.train),
        test=convert(dataset.test),
        val=None if dataset.val is None else convert(dataset.val),
    )
