"""Which work an operator does: the table from operators to exact numbers of multiply-accumulates.

The table starts from PyTorch's own (`torch.utils.flop_counter`, which counts two operations per
multiply-accumulate) and closes its holes: products of a matrix or vector with a vector count nothing there,
the backward of a grouped convolution counts (1 + groups) / 2 times too much, and the backward of fused
attention includes the recomputation of its scores. One convention holds for every backward formula:
*nothing is recomputed*, so that the backward of a product of two operands that both need a gradient is
exactly twice its forward, whichever kernel runs it.

An operator that has no rule and is not known to be free of contractions is *uncounted*: it is reported by
name, never passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import torch
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils.flop_counter import flop_registry

import blocks.selective_scan  # noqa: F401  (its operator then stands in PyTorch's table)

aten = torch.ops.aten

Formula: TypeAlias = Callable[..., int]
"""`formula(out, *args, **kwargs)` -> MACs, with the operator's raw arguments and its raw result."""

Size: TypeAlias = Sequence[int]


def attention_macs(query: Size, key: Size, value: Size) -> int:
    """MACs of softmax(Q K^T) V for sizes (..., heads, tokens, head_dim): the two products, masked or not."""
    return int(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def convolution_macs(x: Size, weight: Size, out: Size, transposed: bool) -> int:
    """MACs of a convolution, groups and all: each weight is used once per output position of each image.

    In a transposed convolution it is used once per *input* position. Padding counts as if it were data.
    """
    return int(x[0]) * prod((x if transposed else out)[2:]) * prod(weight)


def _convolution(out: Any, x: Any, weight: Any, *args: Any, **_: Any) -> int:
    return convolution_macs(x.shape, weight.shape, out.shape, bool(args[4]))


def _plain_convolution(out: Any, x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return convolution_macs(x.shape, weight.shape, out.shape, False)


def _convolution_backward(_out: Any, grad: Any, x: Any, weight: Any, *args: Any, **_: Any) -> int:
    transposed, needs = bool(args[4]), args[7]
    return int(needs[0] + needs[1]) * convolution_macs(x.shape, weight.shape, grad.shape, transposed)


def _attention(_out: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return attention_macs(query.shape, key.shape, value.shape)


def _attention_backward(_out: Any, _grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return 2 * attention_macs(query.shape, key.shape, value.shape)


def _multi_head(_out: Any, query: Any, key: Any, *args: Any, **_: Any) -> int:
    """The whole of `nn.MultiheadAttention`, which its fast path runs as one operator."""
    batch, tokens, dim = query.shape
    projections = batch * dim * dim * (2 * tokens + 2 * key.shape[1])
    return int(projections + attention_macs((batch, tokens, dim), key.shape, key.shape))


def _without_recomputation(stock: Callable[..., int]) -> Formula:
    """Four products of the five that PyTorch counts for the backward of fused attention."""

    def formula(out: Any, *args: Any, **kwargs: Any) -> int:
        return stock(*args, **kwargs, out_val=out) // 2 * 4 // 5

    return formula


def _from_flops(stock: Callable[..., int]) -> Formula:
    def formula(out: Any, *args: Any, **kwargs: Any) -> int:
        macs, odd = divmod(stock(*args, **kwargs, out_val=out), 2)
        assert not odd, "PyTorch counts two operations per multiply-accumulate"
        return macs

    return formula


_OWN: dict[str, Formula] = {
    "mv": lambda _, matrix, *a, **k: matrix.numel(),
    "addmv": lambda _, bias, matrix, *a, **k: matrix.numel(),
    "dot": lambda _, x, *a, **k: x.numel(),
    "vdot": lambda _, x, *a, **k: x.numel(),
    "addr": lambda _, bias, x, y, **k: x.numel() * y.numel(),
    "addbmm": lambda _, bias, x, y, **k: x.numel() * y.shape[-1],
    "_int_mm": lambda _, x, y, **k: x.numel() * y.shape[-1],
    "linear": lambda _, x, weight, *a, **k: x.numel() * weight.shape[0],
    "mkldnn_linear": lambda _, x, weight, *a, **k: x.numel() * weight.shape[0],
    "_addmm_activation": lambda _, bias, x, y, **k: x.numel() * y.shape[-1],
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "convolution_backward": _convolution_backward,
    "convolution_backward_overrideable": _convolution_backward,
    "_conv_depthwise2d": lambda out, x, weight, *a, **k: convolution_macs(
        x.shape, weight.shape, out.shape, False
    ),
    "mkldnn_convolution": lambda out, x, weight, *a, **k: convolution_macs(
        x.shape, weight.shape, out.shape, False
    ),
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_flash_attention_backward": _attention_backward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "_scaled_dot_product_efficient_attention_backward": _attention_backward,
    "_scaled_dot_product_cudnn_attention_backward": _attention_backward,
    "_native_multi_head_attention": _multi_head,
}

_RECOMPUTING = ("_flash_attention_backward", "_efficient_attention_backward", "flex_attention_backward")


def _table() -> dict[Any, Formula]:
    table: dict[Any, Formula] = {}
    for packet, stock in flop_registry.items():
        name = getattr(packet, "__name__", str(packet)).split(".")[-1]
        table[packet] = _without_recomputation(stock) if name in _RECOMPUTING else _from_flops(stock)
    for name, formula in _OWN.items():
        if hasattr(aten, name):
            table[getattr(aten, name)] = formula
    return table


RULES: dict[Any, Formula] = _table()
"""Operator packet (`torch.ops.aten.mm`) or higher-order operator -> formula."""


def register_macs(op: OpOverloadPacket | OpOverload, formula: Formula) -> None:
    """Give an operator of your own its exact number of multiply-accumulates.

    `formula(out, *args, **kwargs)` gets the operator's result and arguments, on `meta`, and returns MACs (an
    operator free of contractions returns 0). A later registration replaces an earlier one. Counts that are
    remembered are not changed: register before counting. Raises `TypeError` when `op` is no operator.
    """
    if isinstance(op, OpOverload):
        op = op.overloadpacket
    if not isinstance(op, OpOverloadPacket):
        raise TypeError(f"register_macs wants an operator such as torch.ops.mylib.scan, got {op!r}")
    RULES[op] = formula
