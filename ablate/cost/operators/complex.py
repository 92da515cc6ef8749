"""Convolutions of complex numbers as four real ones: PyTorch runs three, and the convention here is four."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

Convolution = Callable[..., torch.Tensor]


def in_four(convolution: Convolution) -> Convolution:
    """The same function, which takes complex inputs apart: (a + bi)(c + di) = ac - bd + (ad + bc)i."""

    @functools.wraps(convolution)
    def convolve(
        input: torch.Tensor,  # the names that callers may use
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        *options: Any,
        **named: Any,
    ) -> torch.Tensor:
        if not (isinstance(weight, torch.Tensor) and weight.is_complex()):
            return convolution(input, weight, bias, *options, **named)

        def times(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return convolution(x, y, None, *options, **named)

        real = times(input.real, weight.real) - times(input.imag, weight.imag)
        out = torch.complex(real, times(input.real, weight.imag) + times(input.imag, weight.real))
        return out if bias is None else out + bias.reshape(-1, *[1] * (weight.dim() - 2))

    return convolve
