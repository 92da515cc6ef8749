"""Which attention kernel runs: pinned, never left to chance.

`F.scaled_dot_product_attention` chooses between a *fused* kernel, which never stores the scores (memory
O(N)), and *math*, which stores all N x N of them. The choice depends on the device, and on `meta` it is
always math. `attention_kernel("fused")` and `attention_kernel("math")` make it the same everywhere, so that
memory can be predicted on `meta` for either.

The fused kernel cannot serve everything: a mask that needs a gradient (a learned relative position bias in
training), dropout inside the attention, heads of unequal width and grouped queries run as math on a real
device, and so they do here; `fused_can_serve` says which.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

Kernel: TypeAlias = Literal["fused", "math"]
KERNELS: tuple[Kernel, ...] = ("fused", "math")


def fused_can_serve(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> bool:
    """Whether the fused kernel takes this call of `F.scaled_dot_product_attention`, as on a CPU.

    Tensors are (batch, heads, tokens, head_dim); the result is False where the device would run math.
    """
    if attn_mask is not None and attn_mask.requires_grad and torch.is_grad_enabled():
        return False
    same = (
        query.dim() == key.dim() == value.dim() == 4 and query.shape[-1] == key.shape[-1] == value.shape[-1]
    )
    return same and query.shape[1] == key.shape[1] and not (dropout_p or enable_gqa)


class _FusedAttention(TorchFunctionMode):
    """Sends every attention that the fused kernel takes to it, on `meta` too."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return _fused(*args, **kwargs)
        if func in _LOOKED_INTO:
            with self:  # it is Python code around the attention (recomputed in a backward pass): look inside
                return _unchecked(func)(*args, **kwargs)
        return func(*args, **kwargs)


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    if not fused_can_serve(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
        with sdpa_kernel(SDPBackend.MATH):
            return F.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, float("-inf"))
    out: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
    )[0]
    return out


_LOOKED_INTO = (
    F.multi_head_attention_forward,
    torch.autograd.backward,
    torch.autograd.grad,
    torch.Tensor.backward,
)


@cache
def _unchecked(function: Any) -> Callable[..., Any]:
    """A Python function of PyTorch without its check for overrides, which would never end."""
    no = {name: lambda *_: False for name in ("has_torch_function", "has_torch_function_unary")}
    twin = types.FunctionType(
        function.__code__, {**function.__globals__, **no}, argdefs=function.__defaults__
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


@contextmanager
def attention_kernel(kernel: Kernel) -> Iterator[None]:
    """Run scaled dot product attention as `fused` or as `math`, on any device, while the context is open.

    `nn.MultiheadAttention`'s fast path, which is neither, is off meanwhile.
    """
    if kernel not in KERNELS:
        raise ValueError(f"attention kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        if kernel == "math":
            with sdpa_kernel(SDPBackend.MATH):
                yield
        else:
            with _FusedAttention():
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@cache
def device_kernel(device: str = "cpu", dtype: torch.dtype = torch.float32, head_dim: int = 64) -> Kernel:
    """The kernel that PyTorch itself would choose on this device for unmasked attention: it is asked."""
    query = torch.zeros(1, 1, 16, head_dim, device=device, dtype=dtype)
    return "math" if torch._fused_sdp_choice(query, query, query) == SDPBackend.MATH.value else "fused"
