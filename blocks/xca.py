"""Attention between channels instead of tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import head_dim
from blocks.tokens import to_map, to_tokens


@register("mixer", "xca")
class CrossCovarianceAttention(nn.Module):
    """Cross-covariance attention (XCiT, El-Nouby et al., 2021, arXiv 2106.09681): between channels.

    In every head a d x d matrix softmax(t q^T k) mixes the channels of v, with q and k of unit length along
    the tokens and a learned temperature t. Tokens exchange nothing but these d^2 numbers, so the order in N
    is one; XCiT puts a local convolution behind it, which here is a block of its own.
    MACs: 4NC^2 + 2NCd, d channels per head.
    """

    family: ClassVar[str] = "linear attention"

    def __init__(self, dim: int, num_heads: int, *, qkv_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        qkv = self.qkv(to_tokens(x)).unflatten(-1, (3, self.num_heads, self.head_dim))
        q, k, v = qkv.unbind(2)  # each (B, N, h, d)
        q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
        # (B, h, d, d): the weight of channel e in channel d's new value
        weights = (torch.einsum("bnhd,bnhe->bhde", q, k) * self.temperature).softmax(-1)
        y = torch.einsum("bhde,bnhe->bnhd", weights.to(v.dtype), v)
        return to_map(self.proj(y.flatten(2)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """The matrix between channels, d x d a head: Cd numbers."""
        return dim * head_dim(dim, num_heads)
