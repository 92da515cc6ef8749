"""Locally enhanced positions: a depthwise convolution of the values, added to what attention gives."""

from __future__ import annotations

from torch import Tensor, nn

from blocks.sizes import odd
from blocks.tokens import to_map, to_tokens


class LocalEnhancement(nn.Module):
    """Depthwise k x k convolution of values (LePE; CSWin, Dong et al., 2022, eq. 7). MACs: k^2 NC."""

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, odd("lepe", kernel), padding=kernel // 2, groups=dim)

    def forward(self, v: Tensor, height: int, width: int) -> Tensor:
        """Tokens `(B, N, C)` -> `(B, N, C)`."""
        return to_tokens(self.conv(to_map(v, height, width)))


def lepe(dim: int, kernel: int) -> LocalEnhancement | None:
    """The convolution with this odd kernel; None for 0. Raises `ValueError` for other kernels."""
    return LocalEnhancement(dim, kernel) if kernel else None
