"""Stems: image to feature map, and feature map to that of the next stage.

They map `(B, in_chans, H, W)` to `(B, dim, H', W')` with H' = ceil(H / stride), so that no image is too
small.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.norm import BatchNorm, LayerNorm
from blocks.patches import PatchConv
from blocks.registry import register
from blocks.sizes import odd, positive


@register("stem", "overlap")
class OverlapStem(nn.Module):
    """Overlapping patch embedding: one strided convolution, then LayerNorm (PVTv2, Wang et al., 2021).

    The kernel is 2 x stride - 1 unless given: 7x7 at stride 4 (a stem), 3x3 at stride 2 (a downsampling).
    `prenorm` normalises the input too: as a downsampling that is the norm PVTv2 has at the end of each stage.
    """

    def __init__(
        self, in_chans: int, dim: int, *, stride: int = 4, kernel: int | None = None, prenorm: bool = False
    ):
        super().__init__()
        kernel = 2 * positive("stride", stride) - 1 if kernel is None else odd("kernel", kernel)
        if kernel < stride:
            raise ValueError(f"kernel must be at least the stride {stride}, got {kernel}")
        self.prenorm = LayerNorm(in_chans) if prenorm else nn.Identity()
        self.conv = nn.Conv2d(in_chans, dim, kernel, stride, padding=kernel // 2)
        self.norm = LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        y: Tensor = self.norm(self.conv(self.prenorm(x)))
        return y


@register("stem", "patchify")
class PatchifyStem(nn.Module):
    """Separate patches: a convolution whose kernel is its stride, then LayerNorm (ViT, Swin, ConvNeXt).

    An image that the stride does not divide is padded with zeros on its right and lower edges. `prenorm`
    normalises before the convolution instead of after it, as ConvNeXt's downsampling does.
    """

    def __init__(self, in_chans: int, dim: int, *, stride: int = 4, prenorm: bool = False):
        super().__init__()
        self.stride = positive("stride", stride)
        self.prenorm = LayerNorm(in_chans) if prenorm else nn.Identity()
        self.conv = PatchConv(in_chans, dim, stride)
        self.norm = nn.Identity() if prenorm else LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        H, W = x.shape[2:]
        x = self.prenorm(x)
        if H % self.stride or W % self.stride:
            x = F.pad(x, (0, -W % self.stride, 0, -H % self.stride))
        y: Tensor = self.norm(self.conv(x))
        return y


@register("stem", "conv")
class ConvStem(nn.Sequential):
    """3x3 convolutions of stride 2, each with BatchNorm and GELU (Xiao et al., 2021), the width doubling.

    Stride 1 is a single 3x3 convolution. The last convolution has no activation: a block's norm follows.
    """

    def __init__(self, in_chans: int, dim: int, *, stride: int = 4):
        positive("stride", stride)
        if stride & (stride - 1):
            raise ValueError(f"stride must be a power of two, got {stride}")
        steps = max(1, stride.bit_length() - 1)
        widths = [in_chans] + [max(1, dim >> (steps - 1 - step)) for step in range(steps)]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            conv = nn.Conv2d(before, after, 3, min(stride, 2), padding=1, bias=False)
            layers += [conv, BatchNorm(after), nn.GELU()]
        super().__init__(*layers[:-1])
