"""Focal modulation: contexts of growing reach, gated by position, multiply a query."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.norm import LayerNorm
from blocks.pointwise import pointwise
from blocks.registry import register
from blocks.sizes import odd, positive


@register("mixer", "focal")
class FocalModulation(nn.Module):
    """Focal modulation (FocalNet, Yang et al., 2022, arXiv 2203.11926): contexts first, then the query.

    One linear layer gives a query, a context and `levels` + 1 gates a token. Level l convolves the context of
    the level before, depthwise with side k_l = `kernel` + 2l, then GELU; one more context is the mean over
    the map. y = q * h(sum of gate_l * context_l), h linear, then a projection. FocalNet's small receptive
    field has 2 levels, its large one 3. `normalise` divides the sum by levels + 1; `post_norm` is a layer
    norm before the projection.
    MACs: 4NC^2 + (L + 1)NC + sum_l k_l^2 NC, L levels; the mean over the map is reduction work.
    """

    family: ClassVar[str] = "modulation"

    def __init__(
        self,
        dim: int,
        *,
        kernel: int = 3,
        levels: int = 2,
        normalise: bool = False,
        post_norm: bool = False,
    ):
        super().__init__()
        odd("kernel", kernel)
        self.splits = [dim, dim, positive("levels", levels) + 1]
        self.divisor = levels + 1 if normalise else 1
        self.expand = pointwise(dim, sum(self.splits))
        self.contexts = nn.ModuleList(
            nn.Conv2d(dim, dim, side, padding=side // 2, groups=dim, bias=False)
            for side in range(kernel, kernel + 2 * levels, 2)
        )
        self.modulator = pointwise(dim, dim)
        self.norm = LayerNorm(dim) if post_norm else nn.Identity()
        self.proj = pointwise(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        q, context, gates = self.expand(x).split(self.splits, dim=1)
        total: Tensor | None = None
        for level, convolution in enumerate(self.contexts):
            context = F.gelu(convolution(context))
            gated = context * gates[:, level : level + 1]
            total = gated if total is None else total + gated
        assert total is not None
        total = total + F.gelu(context.mean((2, 3), keepdim=True)) * gates[:, -1:]
        out: Tensor = self.proj(self.norm(q * self.modulator(total / self.divisor)))
        return out

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """The context of the whole map: C numbers."""
        return dim
