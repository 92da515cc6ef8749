"""`digits`: the 1,797 handwritten digits that ship with scikit-learn: always present, hence the default.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import torch

from ablate.data.dataset import TensorSplit

CLASSES = tuple(str(digit) for digit in range(10))


def digits() -> tuple[TensorSplit, TensorSplit]:
    """Training and test split, 1 x 8 x 8 pixels.

    The split is fixed: of every class, in the order of the set, the third, sixth, ... image is a test image
    (1,201 + 596). So classes keep their shares, and both splits see every writer's part of the set. Grey
    levels 0..16 become 0..255.
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    levels = torch.from_numpy(source.images).unsqueeze(1)  # (1797, 1, 8, 8) in 0..16
    images = (levels * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(source.target).long()
    test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        test[(labels == digit).nonzero().flatten()[2::3]] = True
    return TensorSplit(images[~test], labels[~test]), TensorSplit(images[test], labels[test])
