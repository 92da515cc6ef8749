"""Linear attention with ReLU features, at one or two scales."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.pointwise import pointwise
from blocks.registry import register
from blocks.sizes import head_dim, odd
from blocks.tokens import to_map, to_tokens


@register("mixer", "litemla")
class ReLULinearAttention(nn.Module):
    """Lightweight multi-scale linear attention (EfficientViT, Cai et al., 2023, arXiv 2205.14756).

    Y_i = relu(q_i) (sum_j relu(k_j) v_j^T) / (relu(q_i) . sum_j relu(k_j) + eps). The bare core has one
    scale. With `kernel` = k a second one is formed: q, k and v each pass a depthwise k x k convolution and a
    linear layer within each head, attend on their own, and both results are projected together. EfficientViT
    has kernel 5, no biases in q, k, v, and a batch norm behind the projection (`batch_norm`).
    MACs: 4NC^2 + 2NCd, d channels per head; with a second scale 5NC^2 + 7NCd + 3k^2 NC. The normaliser (the
    denominator) is element-wise work.
    """

    family: ClassVar[str] = "linear attention"
    eps: ClassVar[float] = 1e-5

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        kernel: int | None = None,
        qkv_bias: bool = False,
        batch_norm: bool = False,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.qkv = pointwise(dim, 3 * dim, bias=qkv_bias)  # head by head: its q, its k, its v
        self.second: nn.Module | None = None
        if kernel is not None:
            odd("kernel", kernel)
            around = nn.Conv2d(3 * dim, 3 * dim, kernel, padding=kernel // 2, groups=3 * dim, bias=qkv_bias)
            within = nn.Conv2d(3 * dim, 3 * dim, 1, groups=3 * num_heads, bias=qkv_bias)
            self.second = nn.Sequential(around, within)
        self.proj = pointwise(dim if kernel is None else 2 * dim, dim, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        qkv = self.qkv(x)
        if self.second is not None:
            qkv = torch.cat([qkv, self.second(qkv)], dim=1)
        out: Tensor = self.proj(to_map(self._attend(to_tokens(qkv)), *x.shape[2:]))
        return out

    def _attend(self, qkv: Tensor) -> Tensor:
        """Attention of every head of every scale: `(B, N, scales 3C)` -> `(B, N, scales C)`."""
        N = qkv.shape[1]
        q, k, v = qkv.view(*qkv.shape[:2], -1, 3, self.head_dim).unbind(3)  # each (B, N, scales h, d)
        q, k = F.relu(q), F.relu(k)
        # Means instead of sums (the factor 1/N cancels), so that half precision cannot overflow at large N;
        # at least float32 for the denominator, where eps would vanish.
        context = torch.einsum("bnhd,bnhe->bhde", k, v / N)
        exact = torch.promote_types(q.dtype, torch.float32)
        normaliser = (q * k.to(exact).mean(1, keepdim=True)).sum(-1, keepdim=True) + self.eps / N
        y = torch.einsum("bnhd,bhde->bnhe", q, context) / normaliser
        return y.to(v.dtype).flatten(2)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, *, kernel: int | None = None, **_: object) -> int:
        """A d x d matrix for every head and scale: Cd numbers a scale."""
        return (1 if kernel is None else 2) * dim * head_dim(dim, num_heads)
