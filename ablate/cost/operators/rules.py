"""Which work an operator does: the table from operators to exact numbers of multiply-accumulates.

The table starts from PyTorch's own (`torch.utils.flop_counter`, which counts two operations per
multiply-accumulate) and closes its holes: products of a matrix or vector with a vector count nothing there,
the backward of a grouped convolution counts (1 + groups) / 2 times too much, and the backward of fused
attention includes the recomputation of its scores. One convention holds for every backward formula:
*nothing is recomputed*, so that the backward of a product of two operands that both need a gradient is
exactly twice its forward, whichever kernel runs it. A MAC of complex numbers is four MACs of real ones.

An operator that has no rule and is not known to be free of contractions is *uncounted*: it is reported by
name, never passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._ops import OpOverload, OpOverloadPacket
from torch.utils.flop_counter import flop_registry

import blocks.selective_scan  # noqa: F401  (its operator then stands in PyTorch's table)
from ablate.cost.operators.contractions import (
    CONTRACTIONS,
    Formula,
    attention,
    attention_backward,
    convolution_macs,
)
from ablate.cost.operators.flex import LIBRARY
from ablate.cost.operators.quantised import QUANTISED

_COMPLEX = 4  # real multiply-accumulates of a complex one


def _convolution(out: Any, x: Any, weight: Any, *args: Any, **_: Any) -> int:
    return convolution_macs(x.shape, weight.shape, out.shape, bool(args[4]))


def _convolution_backward(_out: Any, grad: Any, x: Any, weight: Any, *args: Any, **_: Any) -> int:
    transposed, needs = bool(args[4]), args[7]
    return int(needs[0] + needs[1]) * convolution_macs(x.shape, weight.shape, grad.shape, transposed)


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


def _real(formula: Formula) -> Formula:
    """The same in real MACs: a product of complex numbers has a complex result."""

    def real(out: Any, *args: Any, **kwargs: Any) -> int:
        results = (out,) if isinstance(out, torch.Tensor) else out
        scale = any(isinstance(item, torch.Tensor) and item.is_complex() for item in results)
        return formula(out, *args, **kwargs) * (_COMPLEX if scale else 1)

    return real


_GENERAL: dict[str, Formula] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "convolution_backward": _convolution_backward,
    "convolution_backward_overrideable": _convolution_backward,
}
_FLEX: dict[str, Formula] = {  # see `ablate.cost.operators.flex`
    "flex_attention": attention,
    "flex_attention_backward": attention_backward,
}
_RECOMPUTING = ("_flash_attention_backward", "_efficient_attention_backward", "flex_attention_backward")


def _table() -> dict[Any, Formula]:
    table: dict[Any, Formula] = {}
    for packet, stock in flop_registry.items():
        name = getattr(packet, "__name__", str(packet)).split(".")[-1]
        table[packet] = _without_recomputation(stock) if name in _RECOMPUTING else _from_flops(stock)
    for library, formulas in ((torch.ops.aten, CONTRACTIONS | _GENERAL), (LIBRARY, _FLEX), *QUANTISED):
        for name, formula in formulas.items():
            for packet in (getattr(library, form, None) for form in (name, f"{name}_")):
                if isinstance(packet, OpOverloadPacket):
                    table[packet] = _real(formula)
    return table


RULES: dict[Any, Formula] = _table()
"""Operator packet (`torch.ops.aten.mm`) or higher-order operator -> formula."""


def rule_of(op: OpOverload) -> Formula | None:
    """The formula of an operator, None where it has none.

    torchvision's operators exist only once torchvision has been imported, so that they are found by name.
    """
    rule = RULES.get(op.overloadpacket)
    if rule is None and op.namespace == "torchvision" and op.overloadpacket.__name__ in CONTRACTIONS:
        rule = RULES[op.overloadpacket] = CONTRACTIONS[op.overloadpacket.__name__]
    return rule


def register_macs(op: OpOverloadPacket | OpOverload, formula: Formula) -> None:
    """Give an operator of your own its exact number of multiply-accumulates, in one line.

    `formula(out, *args, **kwargs)` gets the operator's result and arguments, on `meta`, and returns MACs (an
    operator free of contractions returns 0). A later registration replaces an earlier one. Counts that are
    remembered are not changed: register before counting. Raises `TypeError` when `op` is no operator.

    `register_macs(torch.ops.mylib.scan, lambda out, x, weight: x.numel() * weight.shape[0])`
    """
    if isinstance(op, OpOverload):
        op = op.overloadpacket
    if not isinstance(op, OpOverloadPacket):
        raise TypeError(f"register_macs wants an operator such as torch.ops.mylib.scan, got {op!r}")
    RULES[op] = formula
