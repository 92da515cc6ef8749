"""Blocks are exported for any batch, height and width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import blocks

ENTRIES = [
    *(pytest.param(entry, {}, id=entry.name) for entry in blocks.entries("mixer", "block")),
    pytest.param(blocks.get("window", "mixer"), {"shift": True}, id="window, shifted"),
]


def image(batch: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    x = torch.randn(batch, 16, height, width, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("entry", "arguments"), ENTRIES)
def test_any_batch_height_and_width(
    entry: blocks.Entry, arguments: dict[str, Any], free_sizes: Callable[[str], dict[int, Any]]
) -> None:
    torch.manual_seed(0)
    block = entry.build({"dim": 16, "num_heads": 2, "drop_path": 0.0}, arguments).eval()
    free = free_sizes(entry.name)
    program = torch.export.export(block, (image(2, 16, 24),), dynamic_shapes=(free,))
    for size in (3, 9, 20), (2, 28, 8):
        other = image(*size)
        torch.testing.assert_close(program.module()(other), block(other), rtol=1e-4, atol=1e-5)
