"""`cifar10` and `cifar100`: 50,000 + 10,000 colour images, 32 x 32 (Krizhevsky 2009), read by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ablate.data.dataset import TensorSplit
from ablate.errors import AblateError


def cifar(name: str, data_dir: Path | None, cache: Path) -> tuple[TensorSplit, TensorSplit, tuple[str, ...]]:
    """Training split, test split and the names of the classes.

    Looks in `data_dir`, else in `cache`, else downloads into `cache`. The files are pickles: torchvision
    opens them only when their MD5 is that of the published ones. Raises `AblateError` when there is no way.
    """
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
    train, test = (_open(kind, train, data_dir, cache) for train in (True, False))
    return _split(train), _split(test), tuple(train.classes)


def _open(kind: Any, train: bool, data_dir: Path | None, cache: Path) -> Any:
    for root in (data_dir, cache):
        if root is not None:
            try:
                return kind(str(root), train=train, download=False)
            except RuntimeError:  # not there, or not the published bytes
                continue
    try:
        return kind(str(cache), train=train, download=True)
    except Exception as error:  # whatever a network does
        raise AblateError(
            f"{kind.__name__} is not on this machine and cannot be downloaded ({type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}). Put the folder {kind.base_folder!r} of {kind.url} into a "
            f"folder and name that with --data-dir, or run once with a network (torchvision downloads into "
            f"{cache})"
        ) from error


def _split(source: Any) -> TensorSplit:
    images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()  # from (N, 32, 32, 3)
    return TensorSplit(images, torch.tensor(source.targets))
