"""Positions: what tells a token where it is, added to the map. `(B, C, H, W)` -> `(B, C, H, W)`."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.sizes import odd, positive


@register("position", "none")
class NoPosition(nn.Identity):
    """No encoding of positions."""

    def __init__(self, dim: int):
        super().__init__()


@register("position", "cpe")
class ConditionalPosition(nn.Conv2d):
    """x plus its depthwise convolution, whose zero padding knows the edge (CPVT, Chu et al., 2023).

    Before every block, as UniFormer has it. MACs: k^2 NC.
    """

    def __init__(self, dim: int, *, kernel: int = 3):
        super().__init__(dim, dim, odd("kernel", kernel), padding=kernel // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        return x + super().forward(x)


@register("position", "learned")
class LearnedPosition(nn.Module):
    """A learned vector for each place of a `size` x `size` grid (ViT, Dosovitskiy et al., 2021).

    Once a stage, before its first block. A map of another size gets the grid interpolated (bicubic), so no
    parameter depends on the resolution.
    """

    once: ClassVar[bool] = True

    def __init__(self, dim: int, *, size: int = 14):
        super().__init__()
        self.table = nn.Parameter(normal(1, dim, positive("size", size), size, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        table: Tensor = self.table
        if table.shape[2:] != x.shape[2:]:
            table = F.interpolate(table, tuple(x.shape[2:]), mode="bicubic", align_corners=False)
        return x + table.to(x.dtype)


@register("position", "sine")
class SinePosition(nn.Module):
    """Fixed sines and cosines of row and column, half of the channels each (DETR, Carion et al., 2020).

    Once a stage, before its first block. Frequencies are 1 / base^(i / n), n a quarter of the channels, which
    must be a multiple of four.
    """

    once: ClassVar[bool] = True

    def __init__(self, dim: int, *, base: float = 10_000.0):
        super().__init__()
        if dim % 4:
            raise ValueError(f"sine needs a multiple of four channels, got {dim}")
        if base <= 1:
            raise ValueError(f"base must be more than 1, got {base}")
        self.dim, self.base = dim, base

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        H, W = x.shape[2:]
        quarter = self.dim // 4
        steps = torch.arange(quarter, device=x.device, dtype=torch.float32) / quarter
        frequencies = self.base**-steps
        rows = torch.arange(H, device=x.device, dtype=torch.float32)[:, None] * frequencies
        columns = torch.arange(W, device=x.device, dtype=torch.float32)[:, None] * frequencies
        of_rows = torch.cat([rows.sin(), rows.cos()], 1)[:, None].expand(H, W, 2 * quarter)
        of_columns = torch.cat([columns.sin(), columns.cos()], 1)[None].expand(H, W, 2 * quarter)
        return x + torch.cat([of_rows, of_columns], 2).permute(2, 0, 1).to(x.dtype)
