"""Batch norm in training on a single value a channel, which PyTorch refuses, costs what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F


@contextmanager
def single_values() -> Iterator[None]:
    """Let batch norm train on one value a channel while the context is open.

    One image whose feature map has shrunk to 1 x 1 has no variance, so PyTorch raises; the work and the
    memory of an image in a training step are the same as in a larger batch. Running statistics, which are
    updated in place, are left as they are.
    """
    functions: Any = F
    check, original = functions._verify_batch_size, functions.batch_norm

    def batch_norm(
        input: torch.Tensor,  # the name that callers may use
        running_mean: torch.Tensor | None,
        running_var: torch.Tensor | None,
        weight: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        if training and input.numel() == input.shape[1]:
            running_mean = running_var = None
        return original(input, running_mean, running_var, weight, bias, training, momentum, eps)

    functions._verify_batch_size, functions.batch_norm = (lambda size: None), batch_norm
    try:
        yield
    finally:
        functions._verify_batch_size, functions.batch_norm = check, original
