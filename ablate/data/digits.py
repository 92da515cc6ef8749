"""`digits`: the 1,797 handwritten digits that ship with scikit-learn: always present, hence the default.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.register import Request, dataset
from ablate.data.summary import Summary

if TYPE_CHECKING:
    from ablate.data.dataset import Splits

CLASSES = tuple(str(digit) for digit in range(10))


def summary(request: Request) -> Summary:
    """What `digits` will load."""
    return Summary("digits", 10, {"train": 1201, "test": 596}, 1, (8, 8), CLASSES, (116, 122))


@dataset("digits", flip=False, inspect=summary)
def digits(request: Request) -> Splits:
    """1,797 handwritten digits, 1 x 8 x 8 pixels, from scikit-learn.

    The split is fixed: of every class, in the order of the set, the third, sixth, ... image is a test image
    (1,201 + 596). So classes keep their shares, and both splits see every writer's part of the set. Grey
    levels 0..16 become 0..255.
    """
    import torch
    from sklearn.datasets import load_digits

    from ablate.data.dataset import Splits, TensorSplit

    source = load_digits()
    levels = torch.from_numpy(source.images).unsqueeze(1)  # (1797, 1, 8, 8) in 0..16
    images = (levels * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(source.target).long()
    test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        test[(labels == digit).nonzero().flatten()[2::3]] = True
    return Splits(TensorSplit(images[~test], labels[~test]), TensorSplit(images[test], labels[test]), CLASSES)
