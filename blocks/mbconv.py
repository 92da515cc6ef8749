"""The inverted residual block of mobile and hybrid networks."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from blocks.metaformer import stochastic_depth
from blocks.norm import BatchNorm
from blocks.registry import register
from blocks.sizes import expanded, odd


@register("block", "mbconv")
class MBConvBlock(nn.Module):
    """MBConv with pre-norm, a whole block (MaxViT, Tu et al., 2022), without squeeze-and-excitation.

    x + (BatchNorm, 1x1 expansion, BatchNorm, GELU, depthwise k x k, BatchNorm, GELU, 1x1 projection)(x).
    `expand * dim` is rounded to the nearest whole number. MACs: 2eNC^2 + ek^2 NC.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, drop_path: float = 0.0, *, expand: float = 4.0, kernel: int = 3):
        super().__init__()
        hidden = expanded(dim, expand)
        odd("kernel", kernel)
        self.branch = nn.Sequential(
            BatchNorm(dim),
            nn.Conv2d(dim, hidden, 1, bias=False),
            BatchNorm(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=False),
            BatchNorm(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, dim, 1),
        )
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = x + self.drop_path(self.branch(x))
        return y

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
