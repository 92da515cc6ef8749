"""Blocks are exported for any batch, height and width."""

from __future__ import annotations

import pytest
import torch

import blocks

# The sizes of a Fourier transform, and windows that are padded where they do not divide the map, are traced.
FIXED = {"gfnet", "sra", "window"}
# Its scan is traced for one batch.
WITHOUT = {"ss2d"}
ENTRIES = [
    pytest.param(entry, id=entry.name)
    for entry in blocks.entries("mixer", "block")
    if entry.name not in FIXED | WITHOUT
]


def image(batch: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    x = torch.randn(batch, 16, height, width, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("entry", ENTRIES)
def test_any_batch_height_and_width(entry: blocks.Entry) -> None:
    torch.manual_seed(0)
    block = entry.build({"dim": 16, "num_heads": 2, "drop_path": 0.0}, {}).eval()
    axes = {0: "batch", 2: "height", 3: "width"}
    free = {axis: torch.export.Dim(name, min=2, max=64) for axis, name in axes.items()}
    program = torch.export.export(block, (image(2, 16, 24),), dynamic_shapes=(free,))
    other = image(3, 9, 20)
    torch.testing.assert_close(program.module()(other), block(other), rtol=1e-4, atol=1e-5)
