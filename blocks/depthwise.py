"""One depthwise convolution and nothing else."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from blocks.registry import register
from blocks.sizes import odd


@register("mixer", "depthwise")
class DepthwiseMixer(nn.Conv2d):
    """Depthwise convolution: every channel by itself. `kernel` is its side, or [height, width].

    MACs: k^2 NC. Zero padding.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, *, kernel: int | tuple[int, int] = 7, bias: bool = True):
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        size = (odd("kernel", height), odd("kernel", width))
        super().__init__(dim, dim, size, padding=(height // 2, width // 2), groups=dim, bias=bias)

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
