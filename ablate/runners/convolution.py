"""Strided convolutions of maps that are smaller than their kernel, in bfloat16 on a CPU.

There oneDNN's gradient of the weight is not written for the taps of the kernel that meet nothing but padding:
it holds whatever was in memory before, NaN included (3 x 3 at stride 2 on a 1 x 1 map; 7 x 7 at stride 4 up
to 2 x 2). Seen with PyTorch 2.14 on a processor with AVX512-BF16, for ordinary convolutions in both memory
formats; not in float32, not at stride 1. The tests fill memory with NaN first, and so show it every time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Sizes = int | tuple[int, ...]


class WrittenConvolution(TorchFunctionMode):
    """Pads the map itself where a tap would see only padding: then every tap's gradient is computed.

    The result is the same; maps this small cost nothing to pad. Everything else goes through unchanged, and
    so do models of other libraries that call `conv2d`.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.conv2d:
            return _conv2d(*args, **kwargs)
        return func(*args, **kwargs)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    half = input.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
    if half and input.device.type == "cpu" and not isinstance(padding, str):
        steps, pads, spreads = _pair(stride), _pair(padding), _pair(dilation)
        axes = zip(input.shape[-2:], weight.shape[-2:], steps, pads, spreads, strict=True)
        if max(steps) > 1 and any(unwritten(*axis) for axis in axes):
            input = F.pad(input, (pads[1], pads[1], pads[0], pads[0]))
            padding = 0
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


def unwritten(length: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether a tap of the kernel meets only padding, wherever the kernel stands along one axis."""
    places = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return any(
        all(not 0 <= place * stride - padding + tap * dilation < length for place in range(places))
        for tap in range(kernel)
    )


def _pair(sizes: Sizes) -> tuple[int, int]:
    return (sizes, sizes) if isinstance(sizes, int) else (sizes[0], sizes[-1])
