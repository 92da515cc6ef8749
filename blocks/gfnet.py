"""A learned filter in the frequency domain: every token to every token, with weights that never change."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from blocks.initial import normal
from blocks.registry import register
from blocks.sizes import positive


@register("mixer", "gfnet")
class GlobalFilter(nn.Module):
    """Global filter (GFNet, Rao et al., 2021, arXiv 2107.00645): transform, learned product, and back.

    The filter has one complex number a channel and frequency of a `size` x `size` map, size (size // 2 + 1) C
    in all, at every resolution: parameters do not depend on it. GFNet has the size of its maps (14 at stride
    16). A map of another size asks for other frequencies: they are interpolated linearly between the learned
    ones, at equal cycles a pixel, so that the filter stays the same convolution in pixels. The transforms run
    in float32 at least.
    MACs: none; a Fourier transform is element-wise work, 5NC log2 N operations in both directions, and the
    product about 3NC.
    """

    family: ClassVar[str] = "spectral"
    caveat: ClassVar[str] = "written from the paper's equations; no published code was compared"

    def __init__(self, dim: int, *, size: int = 14):
        super().__init__()
        self.size = positive("size", size)
        # rows of all frequencies, columns of the half that a real signal has, real and imaginary part
        self.filter = nn.Parameter(normal(size, size // 2 + 1, dim, 2, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` -> `(B, C, H, W)`."""
        if torch.onnx.is_in_onnx_export():
            from blocks.gfnet_graph import transform

            return transform(self, x)
        H, W = x.shape[2:]
        exact = torch.promote_types(x.dtype, torch.float32)
        # Behind `contiguous` the transforms get their lines as they lie, channels last, on every device.
        signal = x.permute(0, 2, 3, 1).to(exact).contiguous()
        spectrum = torch.fft.rfft2(signal, dim=(1, 2), norm="ortho")
        spectrum = spectrum * torch.view_as_complex(self._filter(H, W).to(exact))
        y: Tensor = torch.fft.irfft2(spectrum, s=(H, W), dim=(1, 2), norm="ortho")
        return y.contiguous().to(x.dtype).permute(0, 3, 1, 2)

    def _filter(self, H: int, W: int) -> Tensor:
        """The filter of a map of this size, `(H, W // 2 + 1, C, 2)`."""
        filter_: Tensor = self.filter
        # A graph interpolates always: at its own size the filter stays as it is.
        any_size = torch.compiler.is_exporting()
        if any_size or self.size != H:
            filter_ = _interpolate(filter_, 0, H, H, self.size)
        if any_size or self.size != W:
            filter_ = _interpolate(filter_, 1, W // 2 + 1, W, self.size)
        return filter_.contiguous()

    @staticmethod
    def summary_size(dim: int, num_heads: int, tokens: int, **_: object) -> int:
        """The spectrum of the map: NC numbers, read by every token with the same weights."""
        return tokens * dim


def _interpolate(values: Tensor, dim: int, wanted: int, length: int, learned: int) -> Tensor:
    """The first `wanted` of `length` frequencies along a dimension, from `learned` ones around the circle.

    Frequency i of a line of n pixels is i/n cycles a pixel, so it lies at i learned / n of the learned ones.
    What a half spectrum does not hold beyond its end is taken for its end.
    """
    steps = torch.arange(wanted, device=values.device) * learned
    around = torch.full_like(steps, length)
    low = steps // around
    share = ((steps % around).to(values.dtype) / around).view(-1, *[1] * (values.dim() - 1 - dim))
    have = values.shape[dim]
    high = (low + 1) % learned if have == learned else (low + 1).clamp_max(have - 1)
    return torch.lerp(
        values.index_select(dim, low.clamp_max(have - 1)), values.index_select(dim, high), share
    )
