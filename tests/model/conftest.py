"""What exported graphs are asked for: one for any batch, height and width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

LEAST = {"sra": 4, "window": 8}  # a graph is traced for sides of more than one token, window or key


@pytest.fixture
def free_sizes() -> Callable[[str], dict[int, Any]]:
    """By a block's name, the dimensions of its image that may change, from the least side traced for it."""

    def make(name: str) -> dict[int, Any]:
        least = {"batch": 2} | dict.fromkeys(("height", "width"), LEAST.get(name, 2))
        dims = [torch.export.Dim(axis, min=smallest, max=64) for axis, smallest in least.items()]
        return dict(zip((0, 2, 3), dims, strict=True))

    return make
