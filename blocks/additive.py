"""Efficient additive attention: queries pooled into one vector, which then scales the keys."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.tokens import to_map, to_tokens


@register("mixer", "additive")
class AdditiveAttention(nn.Module):
    """Efficient additive attention (SwiftFormer, Shaker et al., 2023, eq. 4 and 5): a global query and keys.

    Q = X W_Q and K = X W_K, each token scaled to unit length. The weights a_j = <q_j, w> / sqrt(C), scaled to
    unit length over the tokens, pool the queries into g = sum_j a_j q_j, and the output is
    ((g * K) W_1 + Q) W_2. MACs: 4NC^2 + 2NC; lengths and the product with g are element-wise work. There are
    no values and no heads. The pooling weights are signed, so a shift of all queries does not cancel.
    """

    family = "linear attention"

    def __init__(self, dim: int):
        super().__init__()
        self.qk = nn.Linear(dim, 2 * dim)
        self.weight = nn.Linear(dim, 1, bias=False)  # w
        self.mix = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.scale = dim**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, C, H, W = x.shape
        q, k = F.normalize(self.qk(to_tokens(x)).view(B, H * W, 2, C), dim=-1).unbind(2)
        a = F.normalize(self.weight(q) * self.scale, dim=1)  # (B, N, 1)
        g = a.transpose(1, 2) @ q  # (B, 1, C)
        return to_map(self.proj(self.mix(g * k) + q), H, W)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The global query: C numbers."""
        return dim
