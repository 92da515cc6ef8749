"""Blocks are compiled for any batch, height and width, and give what they give otherwise."""

from __future__ import annotations

import pytest
import torch

import blocks

ALWAYS = {"key_only"}  # the rest takes long
ENTRIES = [
    pytest.param(entry, id=entry.name, marks=() if entry.name in ALWAYS else pytest.mark.long)
    for entry in blocks.entries("mixer", "block")
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_sizes_that_change(entry: blocks.Entry) -> None:
    """As one graph with its backward pass; inductor, which makes kernels of it, is left out."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    block = entry.build({"dim": 16, "num_heads": 2, "drop_path": 0.0}, {}).eval()
    compiled = torch.compile(block, dynamic=True, fullgraph=True, backend="aot_eager")
    for size in (2, 16, 24), (3, 9, 20), (4, 28, 8):
        x = torch.randn(size[0], 16, *size[1:])
        torch.testing.assert_close(compiled(x), block(x), rtol=1e-4, atol=1e-5)
