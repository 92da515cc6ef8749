"""Which kernels compute while a model trains on a CPU in bfloat16: attention, and small convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ablate.runners.convolution import WrittenConvolution

SHORT = 256
"""Tokens up to which the explicit product is used. Fused against explicit, forward and backward on one
thread in ms: 16 tokens 36 and 4, 49 tokens 81 and 14, 196 tokens 59 and 24; 784 tokens 44 and 37, where it
costs memory."""


class ExplicitShortAttention(TorchFunctionMode):
    """Computes short attention as softmax(q k^T / sqrt(d)) v: the same result without the fused CPU kernel.

    In bfloat16 the backward of the fused kernel is 2 to 9 times slower than the explicit product up to about
    200 tokens. Calls with dropout, causality or grouped queries, and long ones, go through unchanged.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and self._covers(*args, **kwargs):
            return explicit_attention(*args, **{k: kwargs[k] for k in ("attn_mask", "scale") if k in kwargs})
        return func(*args, **kwargs)

    @staticmethod
    def _covers(query: Tensor, key: Tensor, value: Tensor, *more: Any, **kwargs: Any) -> bool:
        if len(more) > 1 or any(
            setting for name, setting in kwargs.items() if name not in ("attn_mask", "scale")
        ):
            return False
        half = query.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
        return half and query.device.type == "cpu" and max(query.shape[-2], key.shape[-2]) <= SHORT


def explicit_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """softmax(q k^T * scale + mask) v, with the arguments of PyTorch's function; a boolean mask says what to
    keep."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = (query * scale) @ key.transpose(-1, -2)
    if attn_mask is not None:
        keep = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -torch.inf) if keep else scores + attn_mask
    return scores.softmax(-1) @ value


@contextmanager
def training_kernels(precision: str, device: torch.device) -> Iterator[None]:
    """The context to train in: in bfloat16 on a CPU `ExplicitShortAttention`, which is faster, and
    `WrittenConvolution`, which is right; nothing elsewhere."""
    if precision == "bf16" and device.type == "cpu":
        with WrittenConvolution(), ExplicitShortAttention():
            yield
    else:
        yield
