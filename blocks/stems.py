"""Stems: image to feature map, and feature map to that of the next stage.

They map `(B, in_chans, H, W)` to `(B, dim, H', W')` with H' = ceil(H / stride) unless they say otherwise, so
that no image is too small.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.activations import Activation, activation
from blocks.norm import BatchNorm
from blocks.patches import PatchConv
from blocks.registry import Norm, make, register
from blocks.sizes import odd, positive


@register("stem", "overlap")
class OverlapStem(nn.Module):
    """Overlapping patch embedding: one strided convolution, then a norm (PVTv2, Wang et al., 2021).

    The kernel is 2 x stride - 1 unless given: 7x7 at stride 4 (a stem), 3x3 at stride 2 (a downsampling).
    `prenorm` normalises the input too: as a downsampling that is the norm PVTv2 has at the end of each stage.
    `before` is the norm of the input where it differs from `norm`.
    """

    def __init__(
        self,
        in_chans: int,
        dim: int,
        *,
        stride: int = 4,
        kernel: int | None = None,
        prenorm: bool = False,
        norm: Norm = "layer",
        before: Norm | None = None,
    ):
        super().__init__()
        kernel = 2 * positive("stride", stride) - 1 if kernel is None else odd("kernel", kernel)
        if kernel < stride:
            raise ValueError(f"kernel must be at least the stride {stride}, got {kernel}")
        if before is None:
            before = norm if prenorm else "none"
        self.prenorm = make("norm", before, dim=in_chans)
        self.conv = nn.Conv2d(in_chans, dim, kernel, stride, padding=kernel // 2)
        self.norm = make("norm", norm, dim=dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        y: Tensor = self.norm(self.conv(self.prenorm(x)))
        return y


@register("stem", "patchify")
class PatchifyStem(nn.Module):
    """Separate patches: a convolution whose kernel is its stride, then a norm (ViT, Swin, ConvNeXt).

    An image that the stride does not divide is padded with zeros on its right and lower edges. `prenorm`
    normalises before the convolution instead of after it, as ConvNeXt's downsampling does.
    """

    def __init__(
        self, in_chans: int, dim: int, *, stride: int = 4, prenorm: bool = False, norm: Norm = "layer"
    ):
        super().__init__()
        self.stride = positive("stride", stride)
        self.prenorm = make("norm", norm, dim=in_chans) if prenorm else nn.Identity()
        self.conv = PatchConv(in_chans, dim, stride)
        self.norm = nn.Identity() if prenorm else make("norm", norm, dim=dim)

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


@register("stem", "convolution")
class ConvolutionStem(nn.Module):
    """Norm of the input, one convolution, norm, activation: the piece that stems are composed of.

    `padding` is half of the kernel unless given; with less, a side shrinks to
    floor((H + 2 padding - kernel) / stride) + 1, and images that are too small are refused.
    """

    def __init__(
        self,
        in_chans: int,
        dim: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        before: Norm = "none",
        norm: Norm = "none",
        act: Activation = "none",
        bias: bool = True,
    ):
        super().__init__()
        positive("kernel", kernel)
        positive("stride", stride)
        if padding is not None and not 0 <= padding <= kernel // 2:
            raise ValueError(f"padding must lie in 0 to {kernel // 2}, got {padding}")
        padding = kernel // 2 if padding is None else padding
        self.before = make("norm", before, dim=in_chans)
        self.conv = nn.Conv2d(in_chans, dim, kernel, stride, padding=padding, bias=bias)
        self.norm = make("norm", norm, dim=dim)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, H', W')`."""
        y: Tensor = self.act(self.norm(self.conv(self.before(x))))
        return y


@register("stem", "maxpool")
class MaxPoolStem(nn.MaxPool2d):
    """The largest value of each window; the channels stay as they are (the second half of ResNet's stem)."""

    def __init__(self, *, size: int = 3, stride: int = 2):
        super().__init__(odd("size", size), positive("stride", stride), padding=size // 2)


@register("stem", "merge")
class PatchMerging(nn.Module):
    """Patch merging (Swin, Liu et al., 2021): s x s neighbours side by side, norm, linear without bias.

    A map that the stride s does not divide is padded with zeros on its right and lower edges.
    MACs: s^2 C dim for each of the N / s^2 tokens.
    """

    def __init__(self, in_chans: int, dim: int, *, stride: int = 2, norm: Norm = "layer", bias: bool = False):
        super().__init__()
        self.stride = positive("stride", stride)
        self.norm = make("norm", norm, dim=stride * stride * in_chans)
        self.reduce = nn.Linear(stride * stride * in_chans, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, in_chans, H, W)` -> `(B, dim, ceil(H / stride), ceil(W / stride))`."""
        (B, C, H, W), s = x.shape, self.stride
        if H % s or W % s:
            x = F.pad(x, (0, -W % s, 0, -H % s))
        rows, columns = x.shape[2] // s, x.shape[3] // s
        # channels of the upper left neighbour first, then those below it, as Swin orders them
        x = x.permute(0, 2, 3, 1).reshape(B, rows, s, columns, s, C).permute(0, 1, 3, 4, 2, 5).flatten(3)
        y: Tensor = self.reduce(self.norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)
