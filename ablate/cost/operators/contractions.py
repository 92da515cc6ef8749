"""Multiply-accumulates of the contractions that PyTorch's own table lacks.

Conventions, beside those of `ablate.cost.operators.rules`:

* convolutions, deformable ones too: each weight is used once per output position (of a transposed one:
  input position); sampling between pixels is element-wise work;
* `cdist` and `pdist`: one MAC for each feature of each pair, whatever the norm and the kernel;
* a bilinear form x' W y: each weight once per row, and the same for each gradient;
* an affine grid: the homogeneous coordinates of each position times the matrix;
* sparse products: stored elements alone, times the columns that each meets;
* quantised products: an integer multiply-accumulate is one MAC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import torch

from ablate.cost.operators.classes import elements

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


def convolution(out: Any, x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Any convolution whose first arguments are input and weight, not transposed."""
    return convolution_macs(x.shape, weight.shape, _first(out).shape, False)


def transposed_convolution(out: Any, x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Any transposed convolution whose first arguments are input and weight."""
    return convolution_macs(x.shape, weight.shape, _first(out).shape, True)


def product(out: Any, x: Any, y: Any, *_: Any, **__: Any) -> int:
    """x (..., m, k) times y (..., k, n), dense or sparse: what is stored of one, times what it meets."""
    sparse_x, sparse_y = x.layout is not torch.strided, y.layout is not torch.strided
    if sparse_x and sparse_y:
        return _sparse_by_sparse(x, y)
    if sparse_y:
        return int(elements(y) * x.shape[-2])
    return int(elements(x) * y.shape[-1])


def product_added(out: Any, bias: Any, x: Any, y: Any, *_: Any, **__: Any) -> int:
    """The same where a term to be added comes first."""
    return product(out, x, y)


def linear(out: Any, x: Any, *_: Any, **__: Any) -> int:
    """A linear layer of which the input is known and the output's last size: quantised and packed weights."""
    return int(x.numel() * _first(out).shape[-1])


def _sparse_by_sparse(x: Any, y: Any) -> int:
    """Pairs of stored elements that meet: for each k, stored in column k of x times stored in row k of y."""
    columns = x.to_sparse_coo().coalesce().indices()[-1]
    rows = y.to_sparse_coo().coalesce().indices()[-2]
    inner = int(x.shape[-1])
    return int((torch.bincount(columns, minlength=inner) * torch.bincount(rows, minlength=inner)).sum())


def _first(out: Any) -> torch.Tensor:
    return out if isinstance(out, torch.Tensor) else next(t for t in out if isinstance(t, torch.Tensor))


def _distances(out: Any, x: Any, y: Any, *_: Any, **__: Any) -> int:
    return int(_first(out).numel() * x.shape[-1])


def _distances_backward(out: Any, gradient: Any, x: Any, *_: Any, **__: Any) -> int:
    return int(gradient.numel() * x.shape[-1])


def _trilinear(out: Any, i1: Any, i2: Any, i3: Any, e1: Any, e2: Any, e3: Any, *_: Any, **__: Any) -> int:
    sizes: list[int] = []
    for tensor, expanded in ((i1, e1), (i2, e2), (i3, e3)):
        shape = list(tensor.shape)
        for dim in sorted(expanded):
            shape.insert(dim, 1)
        sizes = [max(a, b) for a, b in zip(sizes or shape, shape, strict=True)]
    return prod(sizes)


def _affine_grid(out: Any, *_: Any, **__: Any) -> int:
    return int(out.numel() * (out.shape[-1] + 1))


def _affine_grid_backward(out: Any, gradient: Any, *_: Any, **__: Any) -> int:
    return int(gradient.numel() * (gradient.shape[-1] + 1))


def _deform_backward(
    out: Any, gradient: Any, x: Any, weight: Any, offset: Any, mask: Any, *_: Any, **__: Any
) -> int:
    """One product for input, offset and mask together, one for the weight, where they need a gradient."""
    inputs = any(tensor.requires_grad for tensor in (x, offset, mask))
    return int(inputs + weight.requires_grad) * convolution_macs(x.shape, weight.shape, gradient.shape, False)


def _masked_backward(macs: Callable[[Any, Any, Any], int], at: int) -> Formula:
    """Two gradients, each wanted or not by the mask among the arguments."""

    def formula(out: Any, *args: Any, **kwargs: Any) -> int:
        return int(args[at][0] + args[at][1]) * macs(*args[:3])

    return formula


def _conv_backward(x: Any, gradient: Any, weight: Any) -> int:
    return convolution_macs(x.shape, weight.shape, gradient.shape, False)


def _transposed_backward(x: Any, gradient: Any, weight: Any) -> int:
    return convolution_macs(x.shape, weight.shape, gradient.shape, True)


def _rnn_layer(out: Any, x: Any, *weights: Any, **_: Any) -> int:
    """oneDNN's layer: each gate's two matrices for each token; a weight is (gates x hidden, inputs)."""
    tokens = prod(x.shape[:-1])
    return int(tokens * (weights[0].numel() + weights[1].numel()))


def _rnn_layer_backward(out: Any, x: Any, *args: Any, **_: Any) -> int:
    """Weights' gradients for each token, and those of its input and of the state before it where wanted."""
    inputs, hidden, state = args[0].numel(), args[1].numel(), args[4]
    tokens = prod(x.shape[:-1])
    before = tokens - (0 if state.requires_grad else x.shape[1])
    return int(tokens * (inputs + hidden) + tokens * inputs * x.requires_grad + before * hidden)


def _rnn(out: Any, x: Any, weights: Sequence[Any], *_: Any, **__: Any) -> int:
    """Every matrix of a recurrent net once for each token."""
    return int(prod(x.shape[:-1])) * sum(int(weight.numel()) for weight in weights if weight.dim() > 1)


def attention(out: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Fused attention of query, key and value."""
    return attention_macs(query.shape, key.shape, value.shape)


def attention_backward(out: Any, _grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """The four products of its backward pass; the recomputed scores are left out."""
    return 2 * attention_macs(query.shape, key.shape, value.shape)


def _multi_head(out: Any, query: Any, key: Any, *_: Any, **__: Any) -> int:
    """The whole of `nn.MultiheadAttention`, which its fast path runs as one operator."""
    batch, tokens, dim = query.shape
    projections = batch * dim * dim * (2 * tokens + 2 * key.shape[1])
    return int(projections + attention_macs((batch, tokens, dim), key.shape, key.shape))


def _encoder_layer(out: Any, x: Any, *args: Any, **_: Any) -> int:
    return int(_multi_head(out, x, x) + prod(x.shape[:-1]) * (args[13].numel() + args[15].numel()))


def _linear_backward(out: Any, x: Any, gradient: Any, weight: Any, needs: Any, **_: Any) -> int:
    return int(needs[0] + needs[1]) * int(x.numel() * weight.shape[0])


def _grouped(out: Any, x: Any, y: Any, offs: Any = None, *_: Any, **__: Any) -> int:
    """Groups of rows, each times its own matrix. Two matrices in ragged groups share the inner dimension."""
    return int(x.numel() * y.shape[-1])


CONVOLUTIONS = """conv_depthwise3d _conv_depthwise2d mkldnn_convolution cudnn_convolution
cudnn_convolution_relu cudnn_convolution_add_relu miopen_convolution miopen_depthwise_convolution
miopen_convolution_relu miopen_convolution_add_relu _mps_convolution _nnpack_spatial_convolution
_slow_conv2d_forward slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d thnn_conv2d slow_conv3d"""
TRANSPOSED = """cudnn_convolution_transpose miopen_convolution_transpose _mps_convolution_transpose
slow_conv_transpose2d slow_conv_transpose3d"""

CONTRACTIONS: dict[str, Formula] = {
    **dict.fromkeys(CONVOLUTIONS.split(), convolution),
    **dict.fromkeys(TRANSPOSED.split(), transposed_convolution),
    "_slow_conv2d_backward": lambda out, gradient, x, weight, *args, **k: (
        int(sum((args[-1] if isinstance(args[-1], (list, tuple)) and len(args[-1]) == 3 else (1, 1))[:2]))
        * convolution_macs(x.shape, weight.shape, gradient.shape, False)
    ),
    "mps_convolution_backward": _masked_backward(_conv_backward, 7),
    "mps_convolution_transpose_backward": _masked_backward(_transposed_backward, 8),
    "conv_tbc": lambda out, x, weight, *a, **k: int(prod(out.shape[:2]) * weight.numel()),
    "deform_conv2d": convolution,
    "_deform_conv2d_backward": _deform_backward,
    **dict.fromkeys(("mm", "bmm", "_int_mm", "_sparse_mm", "_scaled_mm", "_scaled_mm_v2", "hspmm"), product),
    **dict.fromkeys(("_sparse_sparse_matmul", "_sparse_mm_reduce_impl", "_cslt_sparse_mm"), product),
    "_foreach_mm": lambda out, xs, ys, **k: sum(product(None, x, y) for x, y in zip(xs, ys, strict=True)),
    "_sparse_semi_structured_mm": lambda out, x, meta, y, **k: int(x.numel() * y.shape[-1]),
    "_sparse_semi_structured_addmm": lambda out, bias, x, meta, y, **k: int(x.numel() * y.shape[-1]),
    "_sparse_semi_structured_linear": lambda out, x, weight, *a, **k: int(
        prod(x.shape[:-1]) * weight.numel()
    ),
    "_sparse_mm_reduce_impl_backward": lambda out, x, gradient, weight, reduce, arg, needs: int(
        sum(needs) * elements(x) * gradient.shape[-1]
    ),
    "sparse_sampled_addmm": lambda out, pattern, x, y, **k: int(elements(pattern) * x.shape[-1]),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "_sparse_addmm", "sspaddmm"), product_added),
    "_addmm_activation": product_added,
    **dict.fromkeys(("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2"), _grouped),
    **dict.fromkeys(("_mixed_dtypes_linear", "_dyn_quant_matmul_4bit", "_weight_int8pack_mm"), linear),
    "_weight_int4pack_mm": linear,
    "_weight_int4pack_mm_for_cpu": linear,
    "_weight_int4pack_mm_with_scales_and_zeros": linear,
    **dict.fromkeys(("linear_backward", "mkldnn_linear_backward"), _linear_backward),
    "mkldnn_linear_backward_input": lambda out, size, gradient, weight, **k: int(
        prod(size) * weight.shape[0]
    ),
    "mkldnn_linear_backward_weights": lambda out, gradient, x, weight, *a, **k: int(
        x.numel() * weight.shape[0]
    ),
    "matmul_backward": lambda out, gradient, x, y, needs, **k: int(
        sum(needs) * gradient.numel() * x.shape[-1]
    ),
    "_compute_linear_combination": lambda out, x, coefficients, **k: int(coefficients.shape[0] * x.numel()),
    "mv": lambda out, matrix, *a, **k: elements(matrix),
    "addmv": lambda out, bias, matrix, *a, **k: elements(matrix),
    "dot": lambda out, x, *a, **k: elements(x),
    "vdot": lambda out, x, *a, **k: elements(x),
    "addr": lambda out, bias, x, y, **k: int(x.numel() * y.numel()),
    "linear": lambda out, x, weight, *a, **k: int(x.numel() * weight.shape[0]),
    "mkldnn_linear": lambda out, x, weight, *a, **k: int(x.numel() * weight.shape[0]),
    "_cdist_forward": _distances,
    "_euclidean_dist": _distances,
    "_cdist_backward": _distances_backward,
    "_pdist_forward": lambda out, x, *a, **k: int(out.numel() * x.shape[-1]),
    "_pdist_backward": _distances_backward,
    "_trilinear": _trilinear,
    **dict.fromkeys(("affine_grid_generator", "cudnn_affine_grid_generator"), _affine_grid),
    "cudnn_affine_grid_generator_backward": _affine_grid_backward,
    "mkldnn_rnn_layer": _rnn_layer,
    "mkldnn_rnn_layer_backward": _rnn_layer_backward,
    **dict.fromkeys(("_cudnn_rnn", "miopen_rnn"), _rnn),
    **{
        f"_scaled_dot_product_{kind}": attention
        for kind in (
            "flash_attention",
            "flash_attention_for_cpu",
            "efficient_attention",
            "cudnn_attention",
            "fused_attention_overrideable",
            "attention_math_for_mps",
        )
    },
    **{
        f"_scaled_dot_product_{kind}_backward": attention_backward
        for kind in (
            "flash_attention",
            "flash_attention_for_cpu",
            "efficient_attention",
            "cudnn_attention",
            "fused_attention_overrideable",
        )
    },
    **dict.fromkeys(("_triton_scaled_dot_attention", "_cudnn_attention_forward"), attention),
    "_cudnn_attention_backward": attention_backward,
    "_flash_attention_forward_no_dropout_inplace": lambda out, given, query, key, value, *a, **k: attention(
        out, query, key, value
    ),
    **dict.fromkeys(("_native_multi_head_attention", "_triton_multi_head_attention"), _multi_head),
    "_transformer_encoder_layer_fwd": _encoder_layer,
}
"""Operator name -> its formula."""
