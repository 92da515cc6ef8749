"""Depthwise convolution taken apart into a square, two bands and nothing."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import odd


@register("mixer", "inception")
class InceptionMixer(nn.Module):
    """Inception depthwise convolution (InceptionNeXt, Yu et al., 2024, arXiv 2303.16900).

    G = floor(`branch` C) channels each are convolved depthwise with a `kernel` x `kernel` square, a row of
    1 x `band` and a column of `band` x 1; the other C - 3G pass by. Nothing mixes channels.
    MACs: (k^2 + 2b)NG, k the kernel and b the band.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, *, kernel: int = 3, band: int = 11, branch: float = 0.125):
        super().__init__()
        k, b = odd("kernel", kernel), odd("band", band)
        if not 0 < branch <= 1 / 3:
            raise ValueError(f"branch must lie in (0, 1/3], got {branch}")
        group = int(dim * branch)
        if group < 1:
            raise ValueError(f"branch must leave at least one channel, got {branch} for dim {dim}")
        self.splits = [dim - 3 * group, group, group, group]
        self.square = nn.Conv2d(group, group, k, padding=k // 2, groups=group)
        self.row = nn.Conv2d(group, group, (1, b), padding=(0, b // 2), groups=group)
        self.column = nn.Conv2d(group, group, (b, 1), padding=(b // 2, 0), groups=group)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        same, square, row, column = torch.split(x, self.splits, dim=1)
        return torch.cat([same, self.square(square), self.row(row), self.column(column)], dim=1)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
