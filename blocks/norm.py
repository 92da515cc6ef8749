"""Normalisations of feature maps `(B, C, H, W)`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.registry import register


@register("norm", "layer")
class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position (Ba et al., 2016), affine.

    Works on the channels-last view, so a channels-last map is normalised without a copy.
    """

    def __init__(self, dim: int, *, eps: float = 1e-6):
        if eps <= 0:
            raise ValueError(f"eps must be positive, got {eps}")
        super().__init__(dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`, channels-last."""
        channels_last = x.permute(0, 2, 3, 1)
        y = F.layer_norm(channels_last, self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


@register("norm", "batch")
class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of each channel (Ioffe & Szegedy, 2015), affine, with running statistics.

    In training mode it needs more than one value per channel: a batch of one image with a 1x1 map is refused
    by PyTorch.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5, momentum: float = 0.1):
        if eps <= 0:
            raise ValueError(f"eps must be positive, got {eps}")
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], got {momentum}")
        super().__init__(dim, eps=eps, momentum=momentum)
