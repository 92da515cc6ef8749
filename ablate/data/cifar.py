"""`cifar10` and `cifar100`: 50,000 + 10,000 colour images, 32 x 32 (Krizhevsky 2009), read by torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablate.data.published import notes_unless, opened
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary

if TYPE_CHECKING:
    from ablate.data.dataset import Splits, TensorSplit


def summary10(request: Request) -> Summary:
    """What `cifar10` will load."""
    return _summary("cifar10", 10, "cifar-10-batches-py", request)


def summary100(request: Request) -> Summary:
    """What `cifar100` will load."""
    return _summary("cifar100", 100, "cifar-100-python", request)


@dataset("cifar10", flip=True, inspect=summary10)
def cifar10(request: Request) -> Splits:
    """60,000 colour images, 32 x 32 pixels, in ten classes.

    Looks in `data_dir`, else in the cache, else downloads. Raises `AblateError` when there is no way.
    """
    from torchvision.datasets import CIFAR10

    return _load(CIFAR10, request)


@dataset("cifar100", flip=True, inspect=summary100)
def cifar100(request: Request) -> Splits:
    """60,000 colour images, 32 x 32 pixels, in a hundred classes; found as `cifar10` is."""
    from torchvision.datasets import CIFAR100

    return _load(CIFAR100, request)


def _summary(name: str, classes: int, folder: str, request: Request) -> Summary:
    images, share = {"train": 50_000, "test": 10_000}, 50_000 // classes
    notes = notes_unless(request, name, folder)
    return Summary(name, classes, images, 3, (32, 32), (), (share, share), notes)


def _load(kind: Any, request: Request) -> Splits:
    from ablate.data.dataset import Splits

    files = f"the folder {kind.base_folder!r} of {kind.url}"
    train, test = (opened(kind, kind.__name__, files, request, train=train) for train in (True, False))
    return Splits(_split(train), _split(test), tuple(train.classes))


def _split(source: Any) -> TensorSplit:
    import torch

    from ablate.data.dataset import TensorSplit

    images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()  # from (N, 32, 32, 3)
    return TensorSplit(images, torch.tensor(source.targets))
