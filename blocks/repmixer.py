"""Token mixing that is several branches in training and one depthwise convolution afterwards."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.fold import fold_after, scale_and_shift
from blocks.norm import BatchNorm
from blocks.registry import register
from blocks.sizes import odd


@register("mixer", "repmixer")
class RepMixer(nn.Module):
    """RepMixer (FastViT, Vasu et al., 2023, arXiv 2303.14189): depthwise branches less the input.

    y = scale * (BN(depthwise k x k) + BN(depthwise 1 x 1) + BN(x) - BN(x)), each BN its own; the last one
    takes back what the residual around a mixer adds. `layer_scale` is where the learned scale of each channel
    starts (FastViT: 1e-5), none by default. FastViT has no norm before it. `folded` gives the one depthwise
    convolution that it is in evaluation.
    MACs: k^2 NC + NC; folded k^2 NC.
    """

    family: ClassVar[str] = "convolution"

    def __init__(self, dim: int, *, kernel: int = 3, layer_scale: float | None = None):
        super().__init__()
        padding = odd("kernel", kernel) // 2
        if layer_scale is not None and layer_scale <= 0:
            raise ValueError(f"layer_scale must be positive, got {layer_scale}")
        self.wide = nn.Conv2d(dim, dim, kernel, padding=padding, groups=dim, bias=False)
        self.wide_norm = BatchNorm(dim)
        self.single = nn.Conv2d(dim, dim, 1, groups=dim, bias=False)
        self.single_norm = BatchNorm(dim)
        self.skip = BatchNorm(dim)
        self.minus = BatchNorm(dim)
        self.scale = (
            None if layer_scale is None else nn.Parameter(torch.full((dim, 1, 1), float(layer_scale)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        y: Tensor = self.wide_norm(self.wide(x)) + self.single_norm(self.single(x))
        y = y + self.skip(x) - self.minus(x)
        return y if self.scale is None else self.scale * y

    def folded(self) -> nn.Conv2d:
        """The depthwise convolution with bias that gives the same in evaluation mode."""
        conv, centre = fold_after(self.wide, self.wide_norm), fold_after(self.single, self.single_norm)
        bias, at_centre = _bias(conv) + _bias(centre), centre.weight.detach().double()
        for sign, norm in ((1, self.skip), (-1, self.minus)):
            slope, shift = scale_and_shift(norm)
            at_centre = at_centre + sign * slope.view_as(at_centre)
            bias = bias + sign * shift
        weight = conv.weight.detach().double() + F.pad(at_centre, [self.wide.kernel_size[0] // 2] * 4)
        if self.scale is not None:
            scale = self.scale.detach().double()
            weight, bias = weight * scale.unsqueeze(-1), bias * scale.flatten()
        with torch.no_grad():
            conv.weight.copy_(weight)
            if conv.bias is not None:
                conv.bias.copy_(bias)
        return conv

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """None: a token sees its neighbourhood alone."""
        return 0


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.detach().double()
