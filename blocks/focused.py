"""Focused linear attention: features that point to their largest channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from blocks.lepe import lepe as local_enhancement
from blocks.registry import register
from blocks.sizes import head_dim, positive
from blocks.tokens import to_map, to_tokens

EPSILON = 1e-6


@register("mixer", "focused")
class FocusedLinearAttention(nn.Module):
    """Focused linear attention (FLatten; Han et al., 2023, eq. 5 to 8): powers of features at equal length.

    f(x) = |r| r^p / |r^p| with r = ReLU(x) + 1e-6, powers channel by channel and lengths over the d channels
    of a head; Y_i = f(q_i) (sum_j f(k_j) v_j^T) / (f(q_i) . sum_j f(k_j)). The paper's depthwise convolution
    of the values is `lepe`, its kernel (5 in the paper), off by default. MACs: 4NC^2 + 2NCd, plus k^2 NC with
    `lepe`; powers, lengths and the normaliser are element-wise work.
    """

    family = "linear attention"
    caveat = "the paper's module is focused(lepe=5), there with one kernel for all heads"

    def __init__(self, dim: int, num_heads: int, *, power: int = 3, lepe: int = 0, qkv_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.power = positive("power", power)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.lepe = local_enhancement(dim, lepe)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, _, H, W = x.shape
        N = H * W
        q, k, v = self.qkv(to_tokens(x)).view(B, N, 3, self.num_heads, self.head_dim).unbind(2)
        # The length of a query cancels; without it, half precision cannot lose a short query.
        q, k = sharpen(q, self.power), sharpen(k, self.power) * length(k)
        # Means instead of sums (the factor 1/N cancels), so that half precision cannot overflow at large N.
        context = torch.einsum("bnhd,bnhe->bhde", k, v / N)
        normaliser = (q * k.mean(1, keepdim=True)).sum(-1, keepdim=True)
        y = (torch.einsum("bnhd,bhde->bnhe", q, context) / normaliser).flatten(2)
        if self.lepe is not None:
            y = y + self.lepe(v.flatten(2), H, W)
        return to_map(self.proj(y), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """One d x d matrix a head: C d numbers."""
        return dim * head_dim(dim, num_heads)


def sharpen(x: Tensor, power: int) -> Tensor:
    """r^p / |r^p| over the last dimension: unit vectors, r = ReLU(x) + 1e-6."""
    r = x.relu() + EPSILON
    # The scale of r cancels; with a largest channel of 1 no power overflows or vanishes.
    sharp = (r / r.detach().amax(-1, keepdim=True)) ** power
    return sharp / _norm(sharp)


def length(x: Tensor) -> Tensor:
    """|r| over the last dimension, which stays with size 1."""
    return _norm(x.relu() + EPSILON)


def _norm(r: Tensor) -> Tensor:
    precise = r.to(torch.promote_types(r.dtype, torch.float32))
    return precise.square().sum(-1, keepdim=True).sqrt().to(r.dtype)
