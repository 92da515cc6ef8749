"""Global multi-head softmax attention."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import head_dim
from blocks.tokens import to_map, to_tokens


@register("mixer", "softmax")
class SoftmaxAttention(nn.Module):
    """Global multi-head softmax attention (Vaswani et al., 2017, eq. 1), every token to every token.

    MACs: 4NC^2 + 2N^2 C. The product runs through `scaled_dot_product_attention`, so the kernel (fused or
    explicit N x N) can be chosen from outside.
    """

    family: ClassVar[str] = "softmax attention"

    def __init__(self, dim: int, num_heads: int, *, qkv_bias: bool = True, proj_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, _, H, W = x.shape
        qkv = self.qkv(to_tokens(x)).view(B, H * W, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, h, N, d), a view
        y = F.scaled_dot_product_attention(q, k, v)
        return to_map(self.proj(y.transpose(1, 2).flatten(2)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """All keys and values: 2NC numbers."""
        return 2 * tokens * dim
