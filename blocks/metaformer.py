"""The recipe that makes a token mixer a block."""

from __future__ import annotations

from torch import Tensor, nn


class MetaFormerBlock(nn.Module):
    """`x + DropPath(mixer(norm1(x)))`, then `x + DropPath(ffn(norm2(x)))` (Yu et al., 2022, eq. 2 and 3).

    All four parts map `(B, C, H, W)` to the same shape. `drop_path` is the probability with which each
    residual branch is dropped per sample in training (stochastic depth, Huang et al., 2016).
    """

    def __init__(
        self, mixer: nn.Module, ffn: nn.Module, norm1: nn.Module, norm2: nn.Module, drop_path: float = 0.0
    ):
        super().__init__()
        self.norm1 = norm1
        self.mixer = mixer
        self.norm2 = norm2
        self.ffn = ffn
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        x = x + self.drop_path(self.mixer(self.norm1(x)))
        y: Tensor = x + self.drop_path(self.ffn(self.norm2(x)))
        return y


def stochastic_depth(probability: float) -> nn.Module:
    """timm's `DropPath` with this probability; nothing at all for 0. `ValueError` outside [0, 1)."""
    if not 0 <= probability < 1:
        raise ValueError(f"drop_path must lie in [0, 1), got {probability}")
    if not probability:
        return nn.Identity()
    from timm.layers.drop import DropPath  # loading timm takes longer than loading torch

    return DropPath(probability)
