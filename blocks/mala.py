"""Magnitude-aware linear attention: the length of a query sharpens its weights."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.lepe import lepe as local_enhancement
from blocks.registry import register
from blocks.rotary import rotatable, rotate
from blocks.sizes import head_dim
from blocks.tokens import to_map, to_tokens


@register("mixer", "mala")
class MagnitudeAwareAttention(nn.Module):
    """Magnitude-aware linear attention (MALA; Fan et al., 2025, arXiv 2507.00698): shifted, not divided.

    With p_ij = <f(q_i), f(k_j)> / (N sqrt(d)), f(x) = elu(x) + 1, and its sum S_i over the tokens j, the
    weight of token j is (1 + 1/S_i) p_ij - S_i/N. The weights of a query sum to 1 and may be negative. The
    factor 1 / (N sqrt(d)) is a choice made here, so that weights are of the order 1/N at every resolution.
    Extras of the paper, off by default: `gate` multiplies the result by X W_G, `rope` rotates features by
    position (not in S), `lepe` adds a depthwise convolution of the values with this kernel (5 in the paper).
    MACs: 4NC^2 + 2NCd, plus NC^2 with `gate`, plus k^2 NC with `lepe`; sums and rotations are element-wise.
    """

    family = "linear attention"
    caveat = "the paper's network is mala(gate=true, rope=true, lepe=5); scale of the products as chosen here"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        gate: bool = False,
        rope: bool = False,
        lepe: int = 0,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.rope = bool(rope and rotatable(self.head_dim))
        self.gate = gate
        self.qkv = nn.Linear(dim, (3 + gate) * dim, bias=qkv_bias)  # Q, K, V and perhaps the gate
        self.lepe = local_enhancement(dim, lepe)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, _, H, W = x.shape
        N = H * W
        parts = self.qkv(to_tokens(x)).view(B, N, -1, self.num_heads, self.head_dim).unbind(2)
        q, k, v = (F.elu(parts[0]) + 1) * self.head_dim**-0.5, F.elu(parts[1]) + 1, parts[2]  # (B, N, h, d)
        total = (q * k.mean(1, keepdim=True)).sum(-1, keepdim=True)  # S, (B, N, h, 1)
        if self.rope:
            q, k = rotate(q, H, W), rotate(k, H, W)
        # v / N instead of a division afterwards, so that half precision cannot overflow at large N.
        context = torch.einsum("bnhd,bnhe->bhde", k, v / N)
        y = torch.einsum("bnhd,bhde->bnhe", q, context)
        y = (1 + total.reciprocal()) * y - total * v.mean(1, keepdim=True)
        y = y.flatten(2)
        if self.lepe is not None:
            y = y + self.lepe(v.flatten(2), H, W)
        if self.gate:
            y = y * parts[3].flatten(2)
        return to_map(self.proj(y), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """One d x d matrix a head and the mean value: C d + C numbers."""
        return dim * head_dim(dim, num_heads) + dim
