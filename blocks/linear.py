"""Linear attention: the softmax kernel replaced by a product of features."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import head_dim
from blocks.tokens import to_map, to_tokens


@register("mixer", "linear")
class LinearAttention(nn.Module):
    """Linear attention with features f(x) = elu(x) + 1 (Katharopoulos et al., 2020, eq. 5 and 7, not causal).

    Y_i = f(q_i) (sum_j f(k_j) v_j^T) / (f(q_i) . sum_j f(k_j)): a query-key attention whose N x N matrix
    is never formed. MACs: 4NC^2 + 2NCd, d channels per head; the normaliser (the denominator) is
    element-wise work.
    """

    family: ClassVar[str] = "linear attention"

    def __init__(self, dim: int, num_heads: int, *, qkv_bias: bool = True):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, _, H, W = x.shape
        N = H * W
        qkv = self.qkv(to_tokens(x)).view(B, N, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.unbind(2)  # each (B, N, h, d)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        # Means instead of sums (the factor 1/N cancels), so that half precision cannot overflow at large N.
        context = torch.einsum("bnhd,bnhe->bhde", k, v / N)
        normaliser = (q * k.mean(1, keepdim=True)).sum(-1, keepdim=True)
        y = torch.einsum("bnhd,bhde->bnhe", q, context) / normaliser
        return to_map(self.proj(y.flatten(2)), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """A d x d matrix for every head: Cd numbers."""
        return dim * head_dim(dim, num_heads)
