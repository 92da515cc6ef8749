"""A linear layer at every position of a map, with the batch norm that mobile networks put behind it."""

from __future__ import annotations

from torch import nn

from blocks.norm import BatchNorm


def pointwise(
    dim: int, out: int, *, bias: bool = True, batch_norm: bool = False, bias_before_norm: bool = False
) -> nn.Module:
    """1x1 convolution `(B, dim, H, W)` -> `(B, out, H, W)`; with `batch_norm` it is followed by one.

    A batch norm takes the bias's place: the convolution then has none, unless `bias_before_norm` keeps it.
    """
    if not batch_norm:
        return nn.Conv2d(dim, out, 1, bias=bias)
    return nn.Sequential(nn.Conv2d(dim, out, 1, bias=bias_before_norm), BatchNorm(out))
