"""Run an operator as a CPU would: on `meta` the results' layouts are corrected where PyTorch's shapes-only
kernels differ.

Without this, a channels-last network on `meta` falls back to contiguous tensors at every convolution, and
copies appear that no device makes. MACs are not affected; bytes moved and memory are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._prims_common import suggest_memory_format

aten = torch.ops.aten


def _convolution(out: Any, args: tuple[Any, ...]) -> Any:
    """The result is channels-last when the input or the weight is."""
    if out.dim() == 4 and torch.channels_last in (
        suggest_memory_format(args[0]),
        suggest_memory_format(args[1]),
    ):
        return torch.empty_like(out, memory_format=torch.channels_last)
    return out


def _batch_norm(out: Any, args: tuple[Any, ...]) -> Any:
    """In evaluation mode no statistics of the batch are returned."""
    return out if args[5] else _batch_norm_evaluated(out, args)


def _batch_norm_evaluated(out: Any, args: tuple[Any, ...]) -> Any:
    return (out[0], out[1].new_empty(0), out[2].new_empty(0))


def _batch_norm_backward(out: Any, args: tuple[Any, ...]) -> Any:
    """The gradient is laid out as the input, whatever the layout of the incoming one; none unless wanted."""
    if out[0] is None or not args[9][0]:
        return (None, *out[1:])
    return (torch.empty_like(out[0], memory_format=suggest_memory_format(args[1])), *out[1:])


def _layer_norm_backward(out: Any, args: tuple[Any, ...]) -> Any:
    if out[0] is None:
        return out
    return (torch.empty_like(out[0], memory_format=torch.contiguous_format), *out[1:])


def _roll(out: Any, args: tuple[Any, ...]) -> Any:
    return torch.empty_like(out, memory_format=suggest_memory_format(args[0])) if out.dim() == 4 else out


_CORRECTIONS: dict[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    aten.convolution.default: _convolution,
    aten.native_batch_norm.default: _batch_norm,
    aten._native_batch_norm_legit_no_training.default: _batch_norm_evaluated,
    aten.native_batch_norm_backward.default: _batch_norm_backward,
    aten.native_layer_norm_backward.default: _layer_norm_backward,
    aten.roll.default: _roll,
}


def execute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an operator from within a dispatch mode, with the layouts of the CPU also on `meta`."""
    out = func(*args, **kwargs)
    correct = _CORRECTIONS.get(func)
    if correct is not None and args[0].is_meta:
        return correct(out, args)
    return out
