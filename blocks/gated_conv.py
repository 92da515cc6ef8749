"""Gated convolution with a large kernel."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import expanded, odd
from blocks.tokens import to_map, to_tokens


@register("mixer", "gated_conv")
class GatedConvMixer(nn.Module):
    """Gated convolution, as in MambaOut (Yu & Wang, 2025, arXiv 2405.07992): the gate without the scan.

    Linear to a gate and a value of eC channels each; the last `partial` C channels of the value pass a
    depthwise k x k convolution; gelu(gate) * value, linear back to C. MambaOut has e = 8/3 and kernel 7, and
    no FFN behind it. `expand * dim` and `partial * dim` are rounded.
    MACs: 3eNC^2 + pk^2 NC, p the part of C that is convolved.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, *, expand: float = 2.0, kernel: int = 7, partial: float = 1.0):
        super().__init__()
        hidden = expanded(dim, expand)
        padding = odd("kernel", kernel) // 2
        convolved = round(partial * dim)
        if not 1 <= convolved <= hidden:
            raise ValueError(
                f"partial must leave 1 to {hidden} channels to convolve, got {partial} for dim {dim}"
            )
        self.splits = [hidden, hidden - convolved, convolved]
        self.expand = nn.Linear(dim, 2 * hidden)
        self.depthwise = nn.Conv2d(convolved, convolved, kernel, padding=padding, groups=convolved)
        self.project = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        gate, same, moved = self.expand(to_tokens(x)).split(self.splits, dim=-1)
        moved = to_tokens(self.depthwise(to_map(moved, H, W)))
        return to_map(self.project(F.gelu(gate) * torch.cat([same, moved], dim=-1)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
