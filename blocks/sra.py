"""Softmax attention over spatially reduced keys and values."""

from __future__ import annotations

from math import isqrt
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.norm import LayerNorm
from blocks.patches import PatchConv
from blocks.registry import register
from blocks.sizes import head_dim, positive
from blocks.tokens import to_map, to_tokens


@register("mixer", "sra")
class SpatialReductionAttention(nn.Module):
    """Spatial-reduction attention (PVT, Wang et al., 2021, eq. 2 to 4): all queries, fewer keys.

    A convolution of kernel and stride r (`ratio`), then LayerNorm, turns the map into M = floor(H/r)
    floor(W/r) keys and values. As in PVT, rows and columns left over at the edge are no keys; a side
    shorter than r is padded to r with zeros, so that there is at least one key. Ratio 1 is plain softmax
    attention. MACs: 2NC^2 + 2MC^2 + 2NMC, plus r^2 MC^2 for the reduction if r > 1; quadratic in N for
    any fixed r. `torch.export` makes one graph for all maps of at least 2r tokens along both sides.
    """

    family: ClassVar[str] = "softmax attention"

    def __init__(self, dim: int, num_heads: int, *, ratio: int = 2, qkv_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.ratio = positive("ratio", ratio)
        self.q = nn.Linear(dim, dim, bias=qkv_bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.reduce = PatchConv(dim, dim, ratio) if ratio > 1 else nn.Identity()
        self.norm = LayerNorm(dim) if ratio > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, C, H, W = x.shape
        q = self.q(to_tokens(x)).view(B, H * W, self.num_heads, self.head_dim).transpose(1, 2)
        if min(H, W) < self.ratio:
            x = F.pad(x, (0, max(0, self.ratio - W), 0, max(0, self.ratio - H)))
        keys = to_tokens(self.norm(self.reduce(x)))
        kv = self.kv(keys).view(B, keys.shape[1], 2, self.num_heads, self.head_dim)
        k, v = kv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, h, M, d), a view
        y = F.scaled_dot_product_attention(q, k, v)
        return to_map(self.proj(y.transpose(1, 2).reshape(B, H * W, C)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, ratio: int = 2, **_: object) -> int:
        """Keys and values after the reduction: 2MC numbers; M of a square map where N is a square."""
        side = isqrt(tokens)
        keys = (side // ratio) ** 2 if side * side == tokens else tokens // ratio**2
        return 2 * max(1, keys) * dim
