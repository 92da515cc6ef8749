"""ImageNet's images through timm's readers, every sample a function of seed, epoch and place."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from ablate.data.dense.files import check_all, image_size
from ablate.errors import AblateError
from ablate.runners.imagenet.recipes import ImageNetRecipe

Key = tuple[int, int]  # index of the image, number of its draw


def root_of(data: str | None) -> str:
    """Where the images are: `data`, or the folder in the environment's `IMAGENET`.

    Raises `AblateError` when neither says.
    """
    named = data or os.environ.get("IMAGENET", "")
    if not named:
        raise AblateError(
            "where is ImageNet? Give data: PATH or set IMAGENET=PATH, a folder with "
            "train/CLASS/*.JPEG and val/CLASS/*.JPEG"
        )
    folder = Path(named).expanduser()
    return str(folder) if "/" not in named or folder.exists() else named


class Images(Dataset[tuple[Tensor, int]]):
    """One split: `images[index, draw]` is the image after its transform, `(3, H, W)`, and its class.

    The transforms of timm draw from Python, numpy and torch: all three start from `draw`, and are put back.
    """

    def __init__(self, source: Any, transform: Any, seed: int):
        self.reader, self.transform, self.seed = source.reader, transform, seed

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        index, draw = key
        pixels, label = self._read(index)
        before, arrays = random.getstate(), np.random.get_state()
        with torch.random.fork_rng(devices=[]):
            seed = (self.seed * 1_000_003 + draw) % 2**32
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            try:
                image: Tensor = self.transform(pixels)
            finally:
                random.setstate(before)
                np.random.set_state(arrays)
        return image, label

    def _read(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        try:
            opened, label = self.reader[index]
            image = opened if isinstance(opened, Image.Image) else Image.open(opened)
            return image.convert("RGB"), int(label)
        except (OSError, SyntaxError, ValueError) as error:
            raise AblateError(f"{self.name(index)}: cannot be read as an image ({error})") from error

    def name(self, index: int) -> str:
        """The file of an image, or how its reader calls it."""
        return str(self.reader.filename(index, absolute=True))


def load_images(root: str, recipe: ImageNetRecipe, seed: int, *, check: bool) -> tuple[Images, Images, int]:
    """Training and validation images, and the number of classes.

    `root` is a folder (or folder of tar files), or `hfds/NAME` and the like for timm's readers; those that
    only stream are refused, because a run could not go on from the middle. With `check` every file of a
    folder is decoded once. Raises `AblateError` when the images are not there or one is broken.
    """
    from timm.data.dataset_factory import create_dataset
    from timm.data.readers.reader_image_folder import ReaderImageFolder

    folder = Path(root)
    named = not folder.exists() and root.partition("/")[0] in ("hfds", "tfds", "wds", "hfids", "torch")
    if not named:
        _check_folder(folder)
    sources = []
    for split in ("train", "validation"):
        try:
            source = create_dataset(root if named else "", root=None if named else root, split=split)
        except Exception as error:  # readers raise what they like
            raise AblateError(f"{root}: timm cannot read its {split} split ({error})") from error
        if not hasattr(source, "reader") or not hasattr(source.reader, "__getitem__"):
            raise AblateError(f"{root}: this reader only streams; a run could not go on after a kill")
        sources.append(source)
    train, test = sources
    classes = _classes(root, train.reader, test.reader)
    splits = Images(train, recipe.transform(True), seed), Images(test, recipe.transform(False), seed)
    for images in splits if check else ():
        if isinstance(images.reader, ReaderImageFolder):
            _decode_all([Path(images.name(index)) for index in range(len(images))])
    return *splits, classes


def _decode_all(files: list[Path]) -> None:
    def check(index: int) -> None:
        image_size(files[index])

    check_all(files, check, salt="imagenet")


def _check_folder(folder: Path) -> None:
    wanted = "ImageNet must lie there as train/CLASS/*.JPEG and val/CLASS/*.JPEG"
    if not folder.is_dir():
        raise AblateError(f"{folder}: there is no such folder; {wanted}")
    if not (folder / "train").exists() or not any((folder / name).exists() for name in ("val", "validation")):
        raise AblateError(f"{folder}: has no train/ and val/; {wanted}")


def _classes(root: str, train: Any, test: Any) -> int:
    maps = [getattr(reader, "class_to_idx", None) for reader in (train, test)]
    if all(maps) and maps[0] != maps[1]:
        odd = sorted(set(maps[0] or ()) ^ set(maps[1] or ()))
        raise AblateError(f"{root}: train and val do not have the same classes ({', '.join(odd[:5])})")
    if maps[0]:
        return len(maps[0])
    labels = getattr(getattr(train, "dataset", None), "features", {}).get("label")
    if labels is None:
        raise AblateError(f"{root}: does not say how many classes it has")
    return int(labels.num_classes)


def epoch_order(images: Images, recipe: ImageNetRecipe, epoch: int, seed: int) -> list[int]:
    """The images of an epoch in the order of the whole job, by timm's and torch's samplers.

    Both deal them out to processes in turn, so that the first global batch is the start of this list whatever
    the number of processes is. With repeats, a third of the images comes, thrice.
    """
    sampler: Any
    if recipe.repeats > 1:
        from timm.data.distributed_sampler import RepeatAugSampler

        sampler = cast(Any, RepeatAugSampler)(images, num_replicas=1, rank=0, num_repeats=recipe.repeats)
        sampler.set_epoch(epoch + seed * 100_003)  # the published sampler knows the epoch alone
    else:
        sampler = DistributedSampler(images, num_replicas=1, rank=0, seed=seed)
        sampler.set_epoch(epoch)
    return list(sampler)


class _Shards:
    """Batches of keys for one process: of every step its shards, one after the other, from `first` on."""

    def __init__(self, order: list[int], epoch: int, batch: int, shards: list[int], parts: int, first: int):
        self.order, self.batch, self.shards, self.parts, self.first = order, batch, shards, parts, first
        self.base = epoch * (len(order) + batch)

    def __len__(self) -> int:
        return (len(self.order) // self.batch - self.first) * len(self.shards)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.first, len(self.order) // self.batch):
            places = range(step * self.batch, (step + 1) * self.batch)
            for shard in self.shards:
                yield [(self.order[place], self.base + place) for place in places[shard :: self.parts]]


def shard_batches(
    images: Images,
    order: list[int],
    epoch: int,
    batch: int,
    shards: list[int],
    parts: int,
    first: int,
    workers: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The shards of an epoch that belong to one process, as images `(b, 3, H, W)` and classes `(b,)`.

    A step's `batch` images are dealt out to `parts` shards in turn; `shards` are this process's. It starts at
    step `first` of the epoch, so that a run goes on in the middle of it.
    """
    loader: DataLoader[Any] = DataLoader(
        images,
        batch_sampler=_Shards(order, epoch, batch, shards, parts, first),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
    )
    yield from loader


def validation_batches(
    images: Images, batch: int, rank: int, world: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every `world`-th test image from `rank` on, in batches."""
    keys = [(index, 0) for index in range(rank, len(images), world)]
    chunks = [keys[start : start + batch] for start in range(0, len(keys), batch)]
    loader: DataLoader[Any] = DataLoader(images, batch_sampler=chunks, num_workers=workers)
    yield from loader
