"""`svhn`: 73,257 + 26,032 colour images of house numbers, 32 x 32 pixels, the digit in the middle.

Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablate.data.published import notes_unless, opened
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary

if TYPE_CHECKING:
    from ablate.data.dataset import Splits, TensorSplit

CLASSES = tuple(str(digit) for digit in range(10))


def summary(request: Request) -> Summary:
    """What `svhn` will load."""
    images, notes = {"train": 73_257, "test": 26_032}, notes_unless(request, "svhn", "train_32x32.mat")
    return Summary("svhn", 10, images, 3, (32, 32), CLASSES, (4659, 13_861), notes)


@dataset("svhn", flip=False, inspect=summary)
def svhn(request: Request) -> Splits:
    """99,289 colour images of digits on houses, 32 x 32 pixels.

    Looks in `data_dir`, else in the cache, else downloads. Raises `AblateError` when there is no way.
    """
    from torchvision.datasets import SVHN

    from ablate.data.dataset import Splits

    files = "train_32x32.mat and test_32x32.mat of http://ufldl.stanford.edu/housenumbers"
    train, test = (opened(SVHN, "svhn", files, request, split=split) for split in ("train", "test"))
    return Splits(_split(train), _split(test), CLASSES)


def _split(source: Any) -> TensorSplit:
    import torch

    from ablate.data.dataset import TensorSplit

    return TensorSplit(torch.from_numpy(source.data).contiguous(), torch.from_numpy(source.labels).long())
