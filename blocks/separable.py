"""Separable self-attention: one query number a token, one context vector for the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from blocks.registry import register
from blocks.tokens import to_map, to_tokens


@register("mixer", "separable")
class SeparableAttention(nn.Module):
    """Separable self-attention (MobileViTv2, Mehta & Rastegari, 2022, section 3.2): one context vector.

    With a projection to one number a token, i = x w_I, and K = X W_K, V = X W_V, the context is the vector
    c = sum_j softmax_j(i) k_j, and the output (ReLU(V) * c) W_O. MACs: 3NC^2 + 2NC (the projection to i and
    the sum over tokens; the product with c is element-wise work, 1 operation per token and channel). There
    are no heads. The published network sums over every fourth token (patches of 2 x 2) instead of all.
    """

    family = "linear attention"
    caveat = "over all tokens; the published network sums over each of the four positions of 2 x 2 patches"

    def __init__(self, dim: int, *, qkv_bias: bool = True):
        super().__init__()
        self.qkv = nn.Linear(dim, 1 + 2 * dim, bias=qkv_bias)  # i, K and V, in MobileViTv2's order
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        C, H, W = x.shape[1:]
        i, k, v = self.qkv(to_tokens(x)).split([1, C, C], dim=2)
        # At least float32 for the weights: half precision loses sums over many tokens.
        weights = i.to(torch.promote_types(i.dtype, torch.float32)).softmax(1).to(k.dtype)
        context = weights.transpose(1, 2) @ k  # (B, 1, C)
        return to_map(self.proj(v.relu() * context), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The context: C numbers."""
        return dim
