"""What TorchScript runs by itself, past the dispatcher, where no counting mode sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_UNSEEN = ("mkldnn", "MKLDNN", "TensorExpr", "Fusion", "CudaFusion", "Static")


def unseen_operators(module: nn.Module) -> list[str]:
    """Names of contractions that a graph optimised for inference runs unseen (`prim.mkldnn_convolution`)."""
    names: dict[str, None] = {}
    for layer in module.modules():
        if isinstance(layer, torch.jit.ScriptModule) and hasattr(layer, "inlined_graph"):
            for kind in _kinds(layer.inlined_graph):
                space, _, name = kind.partition("::")
                if space == "prim" and name.startswith(_UNSEEN):
                    names[f"prim.{name}"] = None
    return sorted(names)


def _kinds(block: Any) -> Iterator[str]:
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _kinds(inner)
