"""Rotary position embedding on a grid: pairs of channels turned by angles that grow with row or column."""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10_000.0


def rotate(x: Tensor, height: int, width: int) -> Tensor:
    """Turn the channels of `(B, N, G, D)` by their token's place on the grid, N = height * width row by row.

    As in RoFormer (Su et al., 2021, eq. 34), for two axes: of the D / 2 pairs of neighbouring channels the
    first half turns with the row, the other with the column, pair i by BASE^(-4i/D) a step. Products of two
    vectors that were rotated depend on their offset alone. 4 must divide D (`rotatable`).
    """
    pairs = x.shape[-1] // 4
    precise = torch.promote_types(x.dtype, torch.float32)  # angles of half precision lose their place
    steps = BASE ** (-torch.arange(pairs, device=x.device, dtype=precise) / pairs)
    places = torch.stack(grid_places(height, width, x.device), dim=1).to(precise)  # (N, 2)
    angles = (places.unsqueeze(2) * steps).view(height * width, 1, 2 * pairs)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.reshape(*x.shape[:-1], 2 * pairs, 2).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


def grid_places(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The row and the column of every token, `(N,)` each, N = height * width row by row."""
    row = torch.arange(height, device=device).unsqueeze(1).expand(height, width).reshape(-1)
    column = torch.arange(width, device=device).expand(height, width).reshape(-1)
    return row, column


def rotatable(dim: int) -> int:
    """`dim` itself, if its channels can be rotated over two axes; else `ValueError`."""
    if dim % 4:
        raise ValueError(f"rope=true turns pairs of channels by row and by column: 4 must divide {dim}")
    return dim
