"""The ConvNeXt block."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.metaformer import stochastic_depth
from blocks.registry import register
from blocks.sizes import expanded, odd


@register("block", "convnext")
class ConvNeXtBlock(nn.Module):
    """ConvNeXt block, a whole block (Liu et al., 2022, fig. 4).

    x + scale * (depthwise k x k, LayerNorm, linear expansion, GELU, linear projection)(x), where the
    scale of each channel is learned and starts at `layer_scale`. MACs: 2eNC^2 + k^2 NC.
    """

    family: ClassVar[str] = "convolution"

    def __init__(
        self,
        dim: int,
        drop_path: float = 0.0,
        *,
        expand: float = 4.0,
        kernel: int = 7,
        layer_scale: float = 1e-6,
    ):
        super().__init__()
        hidden = expanded(dim, expand)
        odd("kernel", kernel)
        if layer_scale <= 0:
            raise ValueError(f"layer_scale must be positive, got {layer_scale}")
        self.depthwise = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, hidden)
        self.project = nn.Linear(hidden, dim)
        self.scale = nn.Parameter(torch.full((dim,), float(layer_scale)))
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.project(F.gelu(self.expand(y)))
        out: Tensor = x + self.drop_path(y.permute(0, 3, 1, 2))
        return out

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
