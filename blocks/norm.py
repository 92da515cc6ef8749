"""Normalisations of feature maps `(B, C, H, W)`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register
from blocks.sizes import positive


def _checked(eps: float) -> float:
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    return eps


@register("norm", "layer")
class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position (Ba et al., 2016).

    `affine` gives it a learned scale, `bias` a learned shift beside it. Works on the channels-last view, so
    a channels-last map is normalised without a copy.
    """

    def __init__(self, dim: int, *, eps: float = 1e-6, affine: bool = True, bias: bool = True):
        super().__init__(dim, eps=_checked(eps), elementwise_affine=affine, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`, channels-last."""
        channels_last = x.permute(0, 2, 3, 1)
        y = F.layer_norm(channels_last, self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


@register("norm", "batch")
class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of each channel (Ioffe & Szegedy, 2015), with running statistics.

    In training mode it needs more than one value per channel: a batch of one image with a 1x1 map is refused
    by PyTorch.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True):
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], got {momentum}")
        super().__init__(dim, eps=_checked(eps), momentum=momentum, affine=affine)


@register("norm", "group")
class GroupNorm(nn.GroupNorm):
    """Group normalisation over all positions of each group of channels (Wu & He, 2018).

    One group, the default, is the norm of PoolFormer (Yu et al., 2022). `groups` must divide the channels.
    """

    def __init__(self, dim: int, *, groups: int = 1, eps: float = 1e-5, affine: bool = True):
        if dim % positive("groups", groups):
            raise ValueError(f"groups must divide the {dim} channels, got {groups}")
        super().__init__(groups, dim, eps=_checked(eps), affine=affine)


@register("norm", "rms")
class RMSNorm(nn.Module):
    """x / sqrt(mean of x^2 over the channels of each position + eps), scaled (Zhang & Sennrich, 2019)."""

    def __init__(self, dim: int, *, eps: float = 1e-6, affine: bool = True):
        super().__init__()
        self.eps = _checked(eps)
        self.weight = nn.Parameter(torch.ones(dim)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`. The mean is taken in float32 at least."""
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        y = (exact * (exact.square().mean(1, keepdim=True) + self.eps).rsqrt()).to(x.dtype)
        return y if self.weight is None else y * self.weight.to(x.dtype).view(1, -1, 1, 1)


@register("norm", "none")
class NoNorm(nn.Identity):
    """No normalisation."""

    def __init__(self, dim: int):
        super().__init__()
