"""The star operation: two linear layers multiplied element by element."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.norm import BatchNorm
from blocks.pointwise import pointwise
from blocks.registry import register
from blocks.sizes import expanded, odd


@register("mixer", "star")
class StarMixer(nn.Module):
    """Star operation between two depthwise convolutions (StarNet, Ma et al., 2024, arXiv 2403.19967).

    depthwise k x k, then g(relu6(f1(y)) * f2(y)) with f1, f2 to e = `expand` times C channels and g back,
    then depthwise k x k. StarNet is these with residual and nothing else (no norm before, no FFN behind), and
    has batch norms behind the first convolution and behind g (`batch_norm`); its e is 3 or 4. A batch norm
    makes the bias of the layer before it redundant; `bias_before_norm` keeps it, as the published models do.
    MACs: 3eNC^2 + 2k^2 NC.
    """

    family: ClassVar[str] = "convolution"

    def __init__(
        self,
        dim: int,
        *,
        expand: float = 4.0,
        kernel: int = 7,
        batch_norm: bool = False,
        bias_before_norm: bool = False,
    ):
        super().__init__()
        hidden = expanded(dim, expand)
        padding = odd("kernel", kernel) // 2
        bias = bias_before_norm or not batch_norm
        before = nn.Conv2d(dim, dim, kernel, padding=padding, groups=dim, bias=bias)
        self.before = nn.Sequential(before, BatchNorm(dim)) if batch_norm else before
        self.f1 = pointwise(dim, hidden)
        self.f2 = pointwise(dim, hidden)
        self.g = pointwise(hidden, dim, batch_norm=batch_norm, bias_before_norm=bias_before_norm)
        self.after = nn.Conv2d(dim, dim, kernel, padding=padding, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y = self.before(x)
        out: Tensor = self.after(self.g(F.relu6(self.f1(y)) * self.f2(y)))
        return out

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0
