"""The global filter in real numbers for ONNX, whose runtime has no inverse transform of any size.

Both transforms are products with matrices of cosines and sines, H^2 and W^2 / 2 numbers, made for the map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from blocks.gfnet import GlobalFilter


def transform(block: GlobalFilter, x: Tensor) -> Tensor:
    """What `block(x)` gives, `(B, C, H, W)` -> `(B, C, H, W)`."""
    H, W = x.shape[2:]
    signal = x.permute(0, 2, 3, 1).to(torch.promote_types(x.dtype, torch.float32))  # (B, H, W, C)
    cos_h, sin_h = _waves(H, H, signal)
    cos_w, sin_w = _waves(W // 2 + 1, W, signal)
    real = torch.einsum("bhwc,kw->bhkc", signal, cos_w)
    imaginary = -torch.einsum("bhwc,kw->bhkc", signal, sin_w)
    real, imaginary = _along_rows(real, imaginary, cos_h, -sin_h)
    filter_real, filter_imaginary = block._filter(H, W).to(signal.dtype).unbind(-1)
    real, imaginary = (
        real * filter_real - imaginary * filter_imaginary,
        real * filter_imaginary + imaginary * filter_real,
    )
    real, imaginary = _along_rows(real, imaginary, cos_h, sin_h)
    place = torch.arange(W // 2 + 1, device=x.device)
    # a frequency stands for its mirror image too, but the first, and the last of an even width
    alone = (place == 0) | (2 * place == torch.full_like(place, W))
    twice = torch.where(alone, 1.0, 2.0).to(signal.dtype).unsqueeze(1) / (H * W)
    y = torch.einsum("bhkc,kw->bhwc", real, twice * cos_w) - torch.einsum(
        "bhkc,kw->bhwc", imaginary, twice * sin_w
    )
    return y.to(x.dtype).permute(0, 3, 1, 2)


def _waves(frequencies: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi k n / length, each `(frequencies, length)`."""
    k, n = (torch.arange(number, device=like.device) for number in (frequencies, length))
    turns = k.unsqueeze(1) * n
    around = torch.full_like(turns, length)
    angle = (turns % around).to(like.dtype) * (2 * math.pi) / around.to(like.dtype)
    return angle.cos(), angle.sin()


def _along_rows(real: Tensor, imaginary: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """The sum over h of exp(i angle) (real + i imaginary), in two parts, `(B, H, K, C)` each."""

    def product(matrix: Tensor, part: Tensor) -> Tensor:
        return torch.einsum("gh,bhkc->bgkc", matrix, part)

    return (
        product(cos, real) - product(sin, imaginary),
        product(sin, real) + product(cos, imaginary),
    )
