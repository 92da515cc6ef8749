"""Single-head attention over a part of the channels."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.pointwise import pointwise
from blocks.registry import register
from blocks.sizes import positive
from blocks.tokens import to_map, to_tokens


@register("mixer", "shsa")
class SingleHeadAttention(nn.Module):
    """Single-head self-attention over the first channels (SHViT, Yun & Ro, 2024, arXiv 2401.16456).

    The first P = round(`partial` C) channels attend, with keys and queries of `qk_dim` = q numbers; the
    others pass by. Both go through ReLU and one projection, which mixes them. SHViT's P is C/4.67 on average,
    its q is 16; it also has a norm of one group on the attending channels (`prenorm`) and batch norms in
    place of the biases (`batch_norm`).
    MACs: NP(2q + P) + N^2 (q + P) + NC^2.
    """

    family: ClassVar[str] = "softmax attention"

    def __init__(
        self,
        dim: int,
        *,
        partial: float = 0.25,
        qk_dim: int = 16,
        prenorm: bool = False,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.qk_dim = positive("qk_dim", qk_dim)
        self.attending = _attending(dim, partial)
        self.prenorm = nn.GroupNorm(1, self.attending) if prenorm else nn.Identity()
        self.qkv = pointwise(self.attending, 2 * qk_dim + self.attending, batch_norm=batch_norm)
        self.proj = pointwise(dim, dim, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        first, rest = x[:, : self.attending], x[:, self.attending :]
        tokens = to_tokens(self.qkv(self.prenorm(first)))
        q, k, v = torch.split(tokens, [self.qk_dim, self.qk_dim, self.attending], dim=-1)
        y = F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).squeeze(1)
        out: Tensor = self.proj(F.relu(torch.cat([to_map(y, H, W), rest], dim=1)))
        return out

    @staticmethod
    def summary_size(
        dim: int, num_heads: int, tokens: int, *, partial: float = 0.25, qk_dim: int = 16, **_: object
    ) -> int:
        """Keys and values of the attending channels: N(q + P) numbers."""
        return tokens * (qk_dim + _attending(dim, partial))


def _attending(dim: int, partial: float) -> int:
    if not 0 < partial <= 1:
        raise ValueError(f"partial must lie in (0, 1], got {partial}")
    return max(1, round(partial * dim))
