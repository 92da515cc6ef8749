"""Quantised layers: their weights are packed in objects of PyTorch's own, which are asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import nn

from ablate.cost.operators.contractions import (
    Formula,
    convolution,
    convolution_macs,
    linear,
    product,
)


def packed_tensors(packed: Any) -> Iterator[torch.Tensor]:
    """Weights and biases in a packed object, or in a list of such."""
    if isinstance(packed, torch.Tensor):
        yield packed
    elif isinstance(packed, (list, tuple)):
        for item in packed:
            yield from packed_tensors(item)
    elif isinstance(packed, torch.ScriptObject):
        for method in ("unpack", "__getstate__"):
            asked: Any = packed
            if asked._has_method(method):
                yield from packed_tensors(asked._get_method(method)())
                return


def packed_objects(module: nn.Module) -> Iterator[torch.ScriptObject]:
    """The packed objects that a module's layers keep, each once."""
    seen: set[int] = set()
    for layer in module.modules():
        if not isinstance(layer, torch.jit.ScriptModule):
            for value in vars(layer).values():
                if isinstance(value, torch.ScriptObject) and id(value) not in seen:
                    seen.add(id(value))
                    yield value


def packed_parameters(module: nn.Module) -> int:
    """Elements of the weights and biases that a module's layers keep packed, which are no `nn.Parameter`."""
    return sum(tensor.numel() for packed in packed_objects(module) for tensor in packed_tensors(packed))


def _weight(packed: Any) -> torch.Tensor:
    return next(packed_tensors(packed))


def _convolution(transposed: bool, at: int = 0) -> Formula:
    def formula(out: Any, x: Any, *args: Any, **_: Any) -> int:
        return convolution_macs(x.shape, _weight(args[at]).shape, out.shape, transposed)

    return formula


def _cells(out: Any, x: Any, _hidden: Any, cells: Any, *_: Any, **__: Any) -> int:
    """A recurrent net: every packed matrix once for each token."""
    matrices = (tensor for tensor in packed_tensors(list(cells)) if tensor.dim() == 2)
    return int(prod(x.shape[:-1])) * sum(matrix.numel() for matrix in matrices)


def _cell(out: Any, x: Any, _hidden: Any, *weights: Any, **_: Any) -> int:
    matrices = (tensor for tensor in packed_tensors(list(weights[:2])) if tensor.dim() == 2)
    return int(x.shape[0]) * sum(matrix.numel() for matrix in matrices)


def _onednn_linear(out: Any, x: Any, *_: Any, **__: Any) -> int:
    return linear(out, x)


def _onednn_convolution(out: Any, x: Any, _scale: Any, _zero: Any, weight: Any, *_: Any, **__: Any) -> int:
    return convolution_macs(x.shape, weight.shape, out.shape, False)


_LINEAR = """linear linear_relu linear_leaky_relu linear_tanh linear_dynamic linear_relu_dynamic
linear_dynamic_fp16 linear_relu_dynamic_fp16 linear_dynamic_fp16_unpacked_weight
linear_with_input_q_dq_qweight_dq_output_fp32 linear_with_input_q_dq_qweight_dq_relu_output_fp32
int4mm_packed_weight_cpu wrapped_quantized_linear _wrapped_quantized_linear_prepacked
wrapped_fbgemm_linear_fp16_weight qlinear qlinear_relu qlinear_dynamic qlinear_relu_dynamic"""
_PACKED: dict[str, Formula] = {
    **dict.fromkeys(_LINEAR.split(), linear),
    **{
        f"conv{size}d{suffix}": _convolution(False)
        for size in (1, 2, 3)
        for suffix in ("", "_relu", "_dynamic")
    },
    "conv2d_add": _convolution(False, at=1),
    "conv2d_add_relu": _convolution(False, at=1),
    **{
        f"conv_transpose{size}d{suffix}": _convolution(True)
        for size in (1, 2, 3)
        for suffix in ("", "_dynamic")
    },
    "matmul": product,
    **dict.fromkeys(
        ("quantized_lstm_cell_dynamic", "quantized_gru_cell_dynamic", "quantized_rnn_relu_cell_dynamic"),
        _cell,
    ),
    "quantized_rnn_tanh_cell_dynamic": _cell,
}
_ONEDNN: dict[str, Formula] = {
    "qlinear_pointwise": _onednn_linear,
    "linear_dynamic_fp16": linear,
    "linear_relu_dynamic_fp16": linear,
    **dict.fromkeys(("qconv_pointwise", "qconv1d_pointwise", "qconv2d_pointwise"), _onednn_convolution),
    "qconv3d_pointwise": _onednn_convolution,
}
QUANTISED: tuple[tuple[Any, dict[str, Formula]], ...] = (
    (torch.ops.quantized, _PACKED),
    (torch.ops._quantized, _PACKED),
    (torch.ops.sparse, _PACKED),
    (torch.ops.onednn, _ONEDNN),
    (torch.ops.mkldnn, {"_linear_pointwise": linear, "_convolution_pointwise": convolution}),
    (torch.ops.aten, {"quantized_lstm": _cells, "quantized_gru": _cells}),
)
"""Library -> formulas by operator name."""
