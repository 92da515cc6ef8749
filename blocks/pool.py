"""Token mixers without weights: the lower ends of an ablation."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import odd


@register("mixer", "pool")
class PoolMixer(nn.Module):
    """Average pooling minus the input (PoolFormer, Yu et al., 2022, eq. 4); the edge averages what is there.

    No parameters, no MACs: pooling is reduction work.
    """

    family: ClassVar[str] = "pooling"

    def __init__(self, dim: int, *, size: int = 3):
        super().__init__()
        self.size = odd("size", size)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        return F.avg_pool2d(x, self.size, 1, self.size // 2, count_include_pad=False) - x

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0


@register("mixer", "identity")
class IdentityMixer(nn.Module):
    """No mixing at all (IdentityFormer, Yu et al., 2024): what the rest of the block does by itself."""

    family: ClassVar[str] = "no mixing"

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`, the input itself."""
        return x

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees itself alone."""
        return 0
