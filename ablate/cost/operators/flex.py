"""Flex attention as one operator on every device: PyTorch's own runs on GPUs, and forward on CPUs alone.

The two products are counted in full, whatever a block mask leaves out, as everywhere in this project; scores
are never stored, as in the fused kernel. What a score modification captures (a learned bias) gets a gradient,
so that the backward pass goes on from there; the few operations that it makes a score are not counted.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from ablate.cost.operators.within import tensors_within

_open: Any = torch.library.Library
_library = _open("ablate", "DEF")
_library.define("flex_attention(Tensor query, Tensor key, Tensor value) -> (Tensor, Tensor)")
_library.define(
    "flex_attention_backward(Tensor gradient, Tensor query, Tensor key, Tensor value, Tensor out, Tensor lse)"
    " -> (Tensor, Tensor, Tensor)"
)


def _forward(query: Any, key: Any, value: Any) -> tuple[torch.Tensor, torch.Tensor]:
    size = (*query.shape[:-1], value.shape[-1])
    order = sorted(range(4), key=lambda dim: -query.stride(dim))  # laid out as the query is
    out = query.new_empty([size[dim] for dim in order]).permute([order.index(dim) for dim in range(4)])
    return out, query.new_empty(query.shape[:-1], dtype=torch.float32)


def _backward(
    gradient: Any, query: Any, key: Any, value: Any, out: Any, lse: Any
) -> tuple[torch.Tensor, ...]:
    return tuple(torch.zeros_like(tensor) for tensor in (query, key, value))


_library.impl("flex_attention", _forward, "CompositeExplicitAutograd")
_library.impl("flex_attention_backward", _backward, "CompositeExplicitAutograd")


LIBRARY: Any = torch.ops.ablate
"""The operators `flex_attention` and `flex_attention_backward`, for the table of rules."""


class _Flex(torch.autograd.Function):
    """Forward by the operator above, filled with the true values where there are any."""

    @staticmethod
    def forward(ctx: Any, run: Any, query: Any, key: Any, value: Any, *captured: Any) -> Any:
        out, lse = torch.ops.ablate.flex_attention(query, key, value)
        if not query.is_meta:
            with _disable_current_modes():
                values = run(query.detach(), key.detach(), value.detach())
                out.copy_(values[0])
                lse.copy_(values[1])
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.captured = [(tensor.shape, tensor.dtype, tensor.device) for tensor in captured]
        return out, lse

    @staticmethod
    def backward(ctx: Any, gradient: Any, _: Any) -> Any:
        gradients = torch.ops.ablate.flex_attention_backward(gradient, *ctx.saved_tensors)
        others = (torch.zeros(shape, dtype=dtype, device=at) for shape, dtype, at in ctx.captured)
        return (None, *gradients, *others)


def flex_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    score_mod: Any,
    block_mask: tuple[Any, ...],
    *options: Any,
    **named: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What PyTorch's higher-order operator returns: output, log-sum-exp and (empty) greatest scores.

    Sizes are (batch, heads, tokens, head_dim).
    """
    from torch._higher_order_ops.flex_attention import flex_attention as original

    hop: Any = original

    def run(*tensors: torch.Tensor) -> Any:
        with torch.no_grad():
            return hop(*tensors, score_mod, block_mask, *options, **named)

    captured = [tensor for tensor in tensors_within(score_mod) if tensor.requires_grad]
    out, lse = _Flex.apply(run, query, key, value, *captured)
    return out, lse, query.new_empty(lse.shape)
