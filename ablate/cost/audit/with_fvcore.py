"""fvcore's `FlopCountAnalysis`: MACs under the name FLOPs, from a traced graph of the forward pass.

As it is, it knows no fused attention (the operator is listed as unsupported and counts 0), prices einsum by
a printed estimate of four digits, and adds work for norms, pooling and interpolation. It knows no training
step; three times the forward pass is the usual rule of thumb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from time import perf_counter
from typing import Any, TypeAlias

import torch
from torch import nn

from ablate.cost.audit import rules
from ablate.cost.audit.table import OK, RULE_OF_THUMB, Reading

UNIT = "MACs, called FLOPs"

Handle: TypeAlias = Callable[[list[Any], list[Any]], Any]

# What it prices beside convolutions and products of matrices. A handle that returns 0 is needed: `None` would
# only be obeyed for an operator that has no handle yet.
EXTRAS = (
    "batch_norm",
    "group_norm",
    "layer_norm",
    "instance_norm",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "adaptive_avg_pool2d",
    "grid_sampler",
)


def version() -> str:
    """The installed version of fvcore."""
    from importlib.metadata import version

    return version("fvcore")


def read(model: nn.Module, x: torch.Tensor, training: bool, repaired: bool) -> Reading:
    """Trace the model; with `repaired`, count with the missing handles and without the extras.

    Operators without a handle come into `by_operator` with 0.
    """
    from fvcore.nn.flop_count import FlopCountAnalysis

    start = perf_counter()
    with torch.no_grad():
        analysis = FlopCountAnalysis(model, x)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        if repaired:
            analysis.set_op_handle(**work_handles(), **{f"aten::{name}": _nothing for name in EXTRAS})
        by_operator = {name: int(macs) for name, macs in analysis.by_operator().items()}
    seconds = perf_counter() - start
    if training:
        by_operator = {name: 3 * macs for name, macs in by_operator.items()}
    return Reading(sum(by_operator.values()), by_operator, seconds, RULE_OF_THUMB if training else OK)


def default_figure(model: nn.Module, x: torch.Tensor) -> Mapping[str, int]:
    """What fvcore says by operator where attention is written out: its prices and attention's two products.

    This is how published tables were made while attention was not fused, or with the fused form switched off.
    """
    from fvcore.nn.flop_count import FlopCountAnalysis

    with torch.no_grad():
        analysis = FlopCountAnalysis(model, x)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        analysis.set_op_handle(**{_SDPA: _attention})
        return {name: int(macs) for name, macs in analysis.by_operator().items()}


def work_handles() -> dict[str, Handle]:
    """Handles for every operator that multiplies and accumulates, for fvcore's `set_op_handle`."""
    pairs = {f"aten::{name}": _pair(0) for name in ("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner")}
    added = {f"aten::{name}": _pair(1) for name in ("addmm", "addmv", "baddbmm", "addbmm")}
    return {
        **pairs,
        **added,
        "aten::linear": lambda i, _: rules.linear(_shape(i[0]), _shape(i[1])),
        "aten::_convolution_mode": lambda i, o: Counter(
            conv=rules.convolution(_shape(i[0]), _shape(i[1]), _shape(o[0]))
        ),
        "aten::einsum": _einsum,
        "aten::addr": lambda i, _: prod(_shape(i[1])) * prod(_shape(i[2])),
        _SDPA: _attention,
    }


_SDPA = "aten::scaled_dot_product_attention"


def _shape(value: Any) -> list[int]:
    return list(value.type().sizes())


def _pair(first: int) -> Handle:
    return lambda inputs, _: rules.matmul(_shape(inputs[first]), _shape(inputs[first + 1]))


def _attention(inputs: list[Any], _outputs: list[Any]) -> Any:
    return rules.attention(*(_shape(value) for value in inputs[:3]))


def _einsum(inputs: list[Any], _outputs: list[Any]) -> int:
    operands = [_shape(value) for value in inputs[1].node().inputs()]
    return rules.einsum(inputs[0].toIValue(), operands)


def _nothing(_inputs: list[Any], _outputs: list[Any]) -> Any:
    return 0
