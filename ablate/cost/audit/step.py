"""The forward pass or training step that every tool looks at: the same input, the same calls."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils._pytree import tree_leaves


def random_input(model: nn.Module, size: tuple[int, int, int]) -> torch.Tensor:
    """One random image (1, C, H, W) in the model's precision, on its device; from a generator of its own."""
    first = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, *size, generator=generator).to(first.device, first.dtype)


def run_step(model: nn.Module, x: torch.Tensor, training: bool) -> None:
    """A forward pass without gradients, or forward and backward with one gradient per output.

    The model stays in evaluation mode: its products are those of training, and it works with one image.
    """
    if not training:
        with torch.no_grad():
            model(x)
        return
    with torch.enable_grad():
        outputs = [t for t in tree_leaves(model(x)) if isinstance(t, torch.Tensor) and t.requires_grad]
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
