"""Neighbourhood attention: every token sees the window around itself, moved inside the map at its edge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.rotary import grid_places
from blocks.sizes import head_dim, odd
from blocks.tokens import to_map, to_tokens


@register("mixer", "neighbourhood")
class NeighbourhoodAttention(nn.Module):
    """Neighbourhood attention (NAT, Hassani et al., 2023, eq. 2 and 3): the w x w nearest tokens.

    At an edge the window is moved until it lies inside the map, so every token sees w^2 others; a side
    shorter than w is seen in full. `relative_bias` adds NAT's learned bias for each offset to the scores.
    MACs: 4NC^2 + 2w^2 NC for sides of w at least. The keys and values of all windows are laid out in memory,
    2w^2 NC numbers: the work and the memory are linear in N, but no fused kernel is at hand.
    """

    family = "local attention"
    caveat = "timed without a fused kernel; NAT itself has relative_bias=true"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        window: int = 7,
        relative_bias: bool = False,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim(dim, num_heads)
        self.window = odd("window", window)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        # One bias per head and offset, rows are vertical offsets j - i from -(w - 1) to w - 1.
        self.relative_bias = (
            nn.Parameter(normal(num_heads, 2 * window - 1, 2 * window - 1, std=0.02))
            if relative_bias
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        B, C, H, W = x.shape
        N = H * W
        qkv = self.qkv(to_tokens(x))
        rows, columns = _neighbours(H, W, self.window, x.device)
        places = rows.unsqueeze(2) * W + columns.unsqueeze(1)  # (N, rows, columns) of all windows
        kv = qkv[..., C:].index_select(1, places.flatten())
        k, v = kv.view(B, N, -1, 2, self.num_heads, self.head_dim).permute(3, 0, 1, 4, 2, 5).unbind(0)
        q = qkv[..., :C].reshape(B, N, self.num_heads, 1, self.head_dim)
        scores = (q * self.head_dim**-0.5) @ k.transpose(3, 4)  # (B, N, h, 1, w^2)
        if self.relative_bias is not None:
            scores = scores + self._bias(rows, columns, W)
        return to_map(self.proj((scores.softmax(-1) @ v).view(B, N, C)), H, W)

    def _bias(self, rows: Tensor, columns: Tensor, width: int) -> Tensor:
        """The bias of every token's neighbours, `(N, h, 1, w^2)`."""
        assert self.relative_bias is not None
        row, column = grid_places(len(rows) // width, width, rows.device)
        down = (rows - row.unsqueeze(1) + self.window - 1).unsqueeze(2)
        right = (columns - column.unsqueeze(1) + self.window - 1).unsqueeze(1)
        return self.relative_bias[:, down, right].flatten(2).transpose(0, 1).unsqueeze(2)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **arguments: Any) -> int:
        """The keys and values of one window: 2w^2 C numbers, or those of all tokens if there are fewer."""
        return 2 * min(int(arguments.get("window", 7)) ** 2, tokens) * dim


def _neighbours(height: int, width: int, window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The rows and the columns of every token's window, each `(N, at most window)`."""
    sides = []
    for place, side in zip(grid_places(height, width, device), (height, width), strict=True):
        extent = min(window, side)
        first = (place - window // 2).clamp(0, side - extent)
        sides.append(first.unsqueeze(1) + torch.arange(extent, device=device))
    return sides[0], sides[1]
