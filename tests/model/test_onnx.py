"""Blocks become ONNX graphs that give the same outputs for any batch, height and width in another runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import blocks

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

# One that was once wrong in a graph, and one that is written otherwise for it; the rest takes long.
# Such forms are compared with their blocks in tests/blocks/test_graph_forms.py.
ALWAYS = {"key_only", "window"}
ENTRIES = [
    pytest.param(entry, id=entry.name, marks=() if entry.name in ALWAYS else pytest.mark.long)
    for entry in blocks.entries("mixer", "block")
]


@pytest.mark.filterwarnings("ignore")  # the exporter's own, of the libraries that it is made of
@pytest.mark.parametrize("entry", ENTRIES)
def test_same_outputs_in_another_runtime(
    entry: blocks.Entry, free_sizes: Callable[[str], dict[int, Any]]
) -> None:
    torch.manual_seed(0)
    block = entry.build({"dim": 16, "num_heads": 2, "drop_path": 0.0}, {}).eval()
    program = torch.onnx.export(
        block,
        (torch.randn(2, 16, 16, 24),),
        dynamo=True,
        dynamic_shapes=(free_sizes(entry.name),),
        verbose=False,
    )
    assert program is not None
    for size in (3, 9, 20), (2, 28, 8):
        x = torch.randn(size[0], 16, *size[1:])
        torch.testing.assert_close(program(x)[0], block(x), rtol=1e-3, atol=1e-4)
