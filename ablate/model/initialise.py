"""How weights start: linear layers and convolutions as PVTv2 starts them, unless a block does it itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

_lock = threading.RLock()


@contextmanager
def own_start() -> Iterator[None]:
    """Linear layers and convolutions made inside start so; what their maker does to them afterwards is kept.

    Linear and pointwise layers start from a truncated normal distribution of standard deviation 0.02, other
    convolutions from a normal one of sqrt(2 / fan_out), biases from zero (PVTv2, Wang et al., 2022).
    Classes with a `reset_parameters` of their own keep it.
    """
    with _lock:
        linear, convolution = nn.Linear.reset_parameters, _ConvNd.reset_parameters
        nn.Linear.reset_parameters = _start  # type: ignore[assignment,method-assign]
        _ConvNd.reset_parameters = _start  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            nn.Linear.reset_parameters = linear  # type: ignore[method-assign]
            _ConvNd.reset_parameters = convolution  # type: ignore[method-assign]


@torch.no_grad()
def _start(module: Any) -> None:
    kernel = getattr(module, "kernel_size", (1,))
    if any(side != 1 for side in kernel):
        # per group, so that a depthwise convolution keeps the scale of its input
        fan_out = math.prod(kernel) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    else:
        nn.init.trunc_normal_(module.weight, std=0.02)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
