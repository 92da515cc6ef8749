"""Rank-augmented linear attention: tokens weigh differently in the sum that all queries read."""

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


@register("mixer", "rala")
class RankAugmentedAttention(nn.Module):
    """Rank-augmented linear attention (RALA; Fan et al., 2024, arXiv 2411.07635): weighted keys, linear in N.

    Features f(x) = elu(x) + 1. Token j has the weight a_j = N softmax_j(<mean_i f(q_i), f(k_j)> / sqrt(d)),
    and Y_i = f(q_i) (sum_j a_j f(k_j) v_j^T) / (f(q_i) . sum_j a_j f(k_j)). Extras of the paper, off by
    default: `gate` multiplies the result by X W_G (the augmentation of the output), `rope` rotates features
    by position (not in the denominator), `lepe` adds a depthwise convolution of the values with this kernel
    (5 in the paper). MACs: 4NC^2 + 2NCd + NC, plus NC^2 with `gate`, plus k^2 NC with `lepe`; normalisers
    and rotations are element-wise work.
    """

    family = "linear attention"
    caveat = "the paper's network is rala(gate=true, rope=true, lepe=5)"

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
        parts = self.qkv(to_tokens(x)).view(B, H * W, -1, self.num_heads, self.head_dim).unbind(2)
        q, k, v = F.elu(parts[0]) + 1, F.elu(parts[1]) + 1, parts[2]  # each (B, N, h, d)
        scores = torch.einsum("bnhd,bhd->bnh", k, q.mean(1) * self.head_dim**-0.5)
        # At least float32 for the weights: half precision loses sums over many tokens. The factor N of a_j
        # cancels; without it no weight overflows.
        weights = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(1)
        k = k * weights.unsqueeze(-1).to(k.dtype)
        normaliser = (q * k.sum(1, keepdim=True)).sum(-1, keepdim=True)
        if self.rope:
            q, k = rotate(q, H, W), rotate(k, H, W)
        context = torch.einsum("bnhd,bnhe->bhde", k, v)
        y = (torch.einsum("bnhd,bhde->bnhe", q, context) / normaliser).flatten(2)
        if self.lepe is not None:
            y = y + self.lepe(v.flatten(2), H, W)
        if self.gate:
            y = y * parts[3].flatten(2)
        return to_map(self.proj(y), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """One d x d matrix a head: C d numbers."""
        return dim * head_dim(dim, num_heads)
