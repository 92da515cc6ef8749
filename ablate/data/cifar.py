"""`cifar10` and `cifar100`: 50,000 + 10,000 colour images, 32 x 32 (Krizhevsky 2009), read by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.register import Request, dataset
from ablate.data.summary import Summary
from ablate.errors import AblateError

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

    Looks in `data_dir`, else in the cache, else downloads. The files are pickles: torchvision opens them only
    when their MD5 is that of the published ones. Raises `AblateError` when there is no way.
    """
    from torchvision.datasets import CIFAR10

    return _load(CIFAR10, request)


@dataset("cifar100", flip=True, inspect=summary100)
def cifar100(request: Request) -> Splits:
    """60,000 colour images, 32 x 32 pixels, in a hundred classes; found as `cifar10` is."""
    from torchvision.datasets import CIFAR100

    return _load(CIFAR100, request)


def _summary(name: str, classes: int, folder: str, request: Request) -> Summary:
    roots = [root for root in (request.data_dir, request.cache) if root is not None]
    here = any((root / folder).is_dir() for root in roots)
    notes = () if here else (f"{name} is not on this machine; it will be downloaded into {request.cache}",)
    images, share = {"train": 50_000, "test": 10_000}, 50_000 // classes
    return Summary(name, classes, images, 3, (32, 32), (), (share, share), notes)


def _load(kind: Any, request: Request) -> Splits:
    from ablate.data.dataset import Splits

    train, test = (_open(kind, train, request.data_dir, request.cache) for train in (True, False))
    return Splits(_split(train), _split(test), tuple(train.classes))


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
    import torch

    from ablate.data.dataset import TensorSplit

    images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()  # from (N, 32, 32, 3)
    return TensorSplit(images, torch.tensor(source.targets))
