"""Training samples in batches: which, in what order, with which draws, as a function of the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ablate.data.dense.samples import DenseSplit

Key = tuple[int, int]  # index of the sample, number of its draw


class _Augmented(Dataset[Any]):
    """Samples after their transform, each with its own random numbers, whichever process makes it."""

    def __init__(self, split: DenseSplit[Any], change: Callable[[Any], Any], seed: int):
        self.split, self.change, self.seed = split, change, seed

    def __getitem__(self, key: Key) -> Any:
        index, draw = key
        with torch.random.fork_rng(devices=[]):
            # the CPU's generator alone: `torch.manual_seed` takes longer than the transform
            torch.default_generator.manual_seed((self.seed << 40) + draw)
            return self.change(self.split[index])


class _Keys:
    """Batches of keys: composed splits go on to new samples, others start a new order every epoch."""

    def __init__(self, split: DenseSplit[Any], steps: int, batch: int, seed: int):
        self.split, self.steps, self.batch, self.seed = split, steps, batch, seed

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Key]]:
        keys = self._keys()
        for _ in range(self.steps):
            yield [next(keys) for _ in range(self.batch)]

    def _keys(self) -> Iterator[Key]:
        draw, length = 0, len(self.split)
        orders = torch.Generator().manual_seed(self.seed)
        while True:
            first = draw + self.seed * 10_000_000 if self.split.open_ended else 0
            order = (
                range(length) if self.split.open_ended else torch.randperm(length, generator=orders).tolist()
            )
            for index in order:
                yield first + index, draw
                draw += 1


def training_batches(
    split: DenseSplit[Any], change: Callable[[Any], Any], steps: int, batch: int, seed: int, workers: int = 0
) -> Iterator[list[Any]]:
    """`steps` lists of `batch` transformed samples. Another seed is another order, other draws and, for
    composed splits, other images. Workers change the speed, not the samples."""
    loader: DataLoader[Any] = DataLoader(
        _Augmented(split, change, seed),
        batch_sampler=_Keys(split, steps, batch, seed),
        num_workers=workers,
        collate_fn=list,
    )
    yield from loader
