"""PyTorch's stock counter, `torch.utils.flop_counter.FlopCounterMode`: FLOPs, two per MAC, on a real run.

Its holes depend on the version of PyTorch and are therefore measured, not assumed. Known ones: the backward
of grouped convolutions counts (1 + groups) / 2 times too much, the backward of fused attention counts the
recomputed scores, products of a matrix with a vector count nothing, nor did fused attention on a CPU for
long.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ablate.cost.audit import rules
from ablate.cost.audit.step import run_step
from ablate.cost.audit.table import Reading

UNIT = "FLOPs, halved"


def version() -> str:
    """The version of PyTorch."""
    return str(torch.__version__)


def read(model: nn.Module, x: torch.Tensor, training: bool, repaired: bool) -> Reading:
    """Run the model (and its backward pass) under the counter; with `repaired`, under a `custom_mapping`."""
    start = perf_counter()
    counter = FlopCounterMode(display=False, custom_mapping=_mapping() if repaired else None)
    with counter:
        run_step(model, x, training)
    seconds = perf_counter() - start
    by_operator: dict[str, int] = {}
    for op, flops in counter.get_flop_counts().get("Global", {}).items():
        by_operator[str(op).removeprefix("aten.")] = flops // 2
    return Reading(counter.get_total_flops() // 2, by_operator, seconds)


def _mapping() -> dict[Any, Callable[..., int]]:
    """The missing rules, in FLOPs, for the counter's own extension point; it hands them shapes."""
    aten = torch.ops.aten
    named: dict[str, Callable[..., int]] = {
        "convolution_backward": _convolution_backward,
        "mv": lambda a, b, **_: 2 * rules.matmul(a, b),
        "dot": lambda a, b, **_: 2 * rules.matmul(a, b),
        "vdot": lambda a, b, **_: 2 * rules.matmul(a, b),
        "addmv": lambda _bias, a, b, **_: 2 * rules.matmul(a, b),
        "addbmm": lambda _bias, a, b, **_: 2 * rules.matmul(a, b),
        "addr": lambda _bias, a, b, **_: 2 * prod(a) * prod(b),
    }
    for kernel in ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention"):
        named[f"_scaled_dot_product_{kernel}"] = _attention
        named[f"_scaled_dot_product_{kernel}_backward"] = _attention_backward
    return {getattr(aten, name): rule for name, rule in named.items() if hasattr(aten, name)}


def _attention(query: rules.Shape, key: rules.Shape, value: rules.Shape, *_: Any, **__: Any) -> int:
    return 2 * rules.attention(query, key, value)


def _attention_backward(
    _gradient: rules.Shape, query: rules.Shape, key: rules.Shape, value: rules.Shape, *_: Any, **__: Any
) -> int:
    """Each of the two products has two gradients; the recomputed scores are not work of the layout."""
    return 2 * 2 * rules.attention(query, key, value)


def _convolution_backward(
    gradient: rules.Shape, x: rules.Shape, weight: rules.Shape, *args: Any, **_: Any
) -> int:
    """The gradients of input and weight cost as much as the forward pass, each, if they are wanted."""
    transposed, (wants_input, wants_weight, _bias) = args[4], args[7]
    return 2 * (int(wants_input) + int(wants_weight)) * rules.convolution(x, weight, gradient, transposed)
