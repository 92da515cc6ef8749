"""What an operator without multiply-accumulates does: element-wise work by class, and what is not known.

*Element-wise operations* are everything that is not a contraction, by a fixed price list, so that two
blocks can be compared by what they move out of the matrix products:

| class | operations |
| --- | --- |
| view, allocation, copy, permutation, random numbers | 0 |
| pointwise (add, multiply, exp, GELU, comparison, dropout) | 1 per output element |
| reduction, scan, sort, loss | 1 per input element |
| pooling, forward and backward | window size per output (backward: input) position |
| interpolation | 2 (nearest: 0), bilinear 8, bicubic 32 per output element; backward the same |
| softmax, log-softmax | 5 per element (maximum, difference, exponential, sum, quotient); backward 4 |
| layer, group, RMS norm | 5 per element (mean, difference, squares, scale, affine); backward 8 |
| batch norm | 2 per element (scale and shift), 5 in training; backward 8 |
| Fourier transform of n numbers | 5 n log2 n complex, half of that real, see `fourier` |
| product of complex numbers | 6 per element; other pointwise work on them 2 |
| fused attention | as unfused: 1 per element of query and key, 5 per score (6 masked); backward 4 per score |
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from math import prod
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves

from ablate.cost.operators.fourier import transform_operations


class Work(Enum):
    """The class of an operator that has no counting rule."""

    FREE = "free"  # touches no element: views, allocations, metadata
    MOVE = "move"  # reads and writes, computes nothing
    POINTWISE = "pointwise"
    REDUCTION = "reduction"
    PRICED = "priced"  # a constant per element, see `_PRICES`
    POOL = "pool"
    TRANSFORM = "transform"  # fast Fourier transforms
    UNKNOWN = "unknown"


_FREE = """as_strided_ alias detach detach_ _unsafe_view _reshape_alias lift lift_fresh empty empty_like
empty_strided new_empty new_empty_strided resize_ set_ is_same_size _has_same_storage_numel sym_size
sym_stride sym_numel size stride numel dim storage_offset is_contiguous record_stream _local_scalar_dense
item is_nonzero _assert_async _assert_tensor_metadata _version"""

_MOVE = """clone copy_ copy _to_copy contiguous cat stack index index_select gather roll flip rot90
constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d _pad_circular
pixel_shuffle pixel_unshuffle channel_shuffle im2col repeat repeat_interleave tile embedding take
select_backward slice_backward diagonal_backward as_strided_scatter select_scatter slice_scatter
diagonal_scatter unfold_copy tril triu zeros zeros_like ones ones_like full full_like new_zeros new_ones
new_full arange linspace eye scalar_tensor fill fill_ zero_ zero bernoulli bernoulli_ rand rand_like randn
randn_like randint randperm normal normal_ uniform uniform_ random_ exponential_ index_put index_put_
_index_put_impl_ scatter scatter_ masked_select nonzero meshgrid _unsafe_index _unsafe_index_put
split_with_sizes_copy split_copy permute_copy view_copy expand_copy transpose_copy _foreach_copy_
_foreach_zero_ triu_indices tril_indices complex view_as_real_copy _nested_tensor_from_mask"""

_POINTWISE = """hardswish hardsigmoid hardtanh silu mish elu celu selu leaky_relu relu relu6 softplus
threshold _fused_adamw_ _fused_adam_ _fused_sgd_ native_dropout native_dropout_backward
_thnn_fused_lstm_cell _thnn_fused_gru_cell glu glu_backward _prelu_kernel _prelu_kernel_backward
_fused_dropout rrelu_with_noise masked_fill masked_fill_ where clamp lerp addcmul addcdiv sigmoid_backward
tanh_backward gelu_backward silu_backward threshold_backward hardtanh_backward hardsigmoid_backward
hardswish_backward elu_backward leaky_relu_backward softplus_backward logit_backward mish_backward
log_sigmoid_forward log_sigmoid_backward _weight_norm_interface _weight_norm_interface_backward
_fake_quantize_per_tensor_affine floor_divide"""

_REDUCTION = """sum mean amax amin max min argmax argmin aminmax all any prod var var_mean std std_mean norm
linalg_vector_norm logsumexp nansum cumsum cumprod logcumsumexp cummax cummin _logcumsumexp _cummax_helper
sort argsort topk kthvalue median mode unique _unique2 unique_dim nll_loss_forward nll_loss_backward
nll_loss2d_forward nll_loss2d_backward mse_loss mse_loss_backward smooth_l1_loss smooth_l1_loss_backward
huber_loss binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits kl_div
embedding_dense_backward scatter_add scatter_add_ scatter_reduce index_add index_add_ unfold_backward col2im
reflection_pad2d_backward replication_pad2d_backward count_nonzero bincount trace equal allclose
_foreach_norm histc searchsorted bucketize repeat_interleave_backward"""

_PRICES: dict[str, int] = {
    "_softmax": 5,
    "_safe_softmax": 5,
    "_log_softmax": 5,
    "_softmax_backward_data": 4,
    "_log_softmax_backward_data": 4,
    "native_layer_norm": 5,
    "native_group_norm": 5,
    "_fused_rms_norm": 5,
    "native_layer_norm_backward": 8,
    "native_group_norm_backward": 8,
    "_fused_rms_norm_backward": 8,
    "native_batch_norm": 5,
    "_native_batch_norm_legit": 5,
    "_native_batch_norm_legit_no_stats": 5,
    "_batch_norm_with_update": 5,
    "cudnn_batch_norm": 5,
    "_native_batch_norm_legit_no_training": 2,
    "_batch_norm_no_update": 2,
    "native_batch_norm_backward": 8,
    "batch_norm_backward": 8,
    "cudnn_batch_norm_backward": 8,
} | {
    f"{prefix}upsample_{kind}{suffix}": price
    for kind, price in {"nearest2d": 0, "nearest_exact2d": 0, "bilinear2d": 8, "bicubic2d": 32}.items()
    for prefix in ("", "_")
    for suffix in ("", "_aa", "_backward", "_aa_backward")
}

_POOLS = """avg_pool1d avg_pool2d avg_pool2d_backward max_pool2d max_pool2d_with_indices
max_pool2d_with_indices_backward _adaptive_avg_pool2d _adaptive_avg_pool2d_backward adaptive_max_pool2d
adaptive_max_pool2d_backward"""

_TRANSFORMS = "_fft_c2c _fft_r2c _fft_c2r"

_BY_NAME: dict[str, Work] = {
    name: work
    for work, names in (
        (Work.FREE, _FREE.split()),
        (Work.MOVE, _MOVE.split()),
        (Work.POINTWISE, _POINTWISE.split()),
        (Work.REDUCTION, _REDUCTION.split()),
        (Work.PRICED, list(_PRICES)),
        (Work.POOL, _POOLS.split()),
        (Work.TRANSFORM, _TRANSFORMS.split()),
    )
    for name in names
}


@cache
def classify(op: OpOverload) -> Work:
    """The class of an operator: by name, by schema (a view), then by PyTorch's tags; else `UNKNOWN`."""
    if op.namespace not in ("aten", "prim", "prims"):
        return Work.UNKNOWN
    if op.is_view or op.namespace == "prim":
        return Work.FREE
    name = op.overloadpacket.__name__
    if name in _BY_NAME:
        return _BY_NAME[name]
    if torch.Tag.pointwise in op.tags or name.startswith("_foreach_"):
        return Work.POINTWISE
    if getattr(torch.Tag, "reduction", None) in op.tags:
        return Work.REDUCTION
    functional = getattr(torch.ops.aten, name.removesuffix("_"), None)
    if name.endswith("_") and functional is not None:  # in place, and not tagged like its functional form
        return classify(getattr(functional, functional.overloads()[0]))
    return Work.UNKNOWN


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors in nested arguments or results."""
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def elementwise(op: OpOverload, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Element-wise operations of one call, by the price list above; 0 for other operators."""
    work = classify(op)
    if work is Work.POINTWISE:
        return sum(tensor.numel() * _per_element(op, tensor) for tensor in tensors(out))
    if work is Work.TRANSFORM:
        return transform_operations(op.overloadpacket.__name__, out, args)
    if work is Work.REDUCTION:
        return max((tensor.numel() for tensor in tensors(args)), default=0)
    if work is Work.POOL:
        return _pool(op, out, args)
    name = op.overloadpacket.__name__
    if work is Work.PRICED:
        evaluating = name == "native_batch_norm" and not args[5]
        price = 2 if evaluating else _PRICES[name]
        return price * next(tensors(args if "norm" in name or "backward" in name else out)).numel()
    if name.startswith("_scaled_dot_product_"):
        return _attention(name, args, kwargs)
    return 0


def _per_element(op: OpOverload, out: torch.Tensor) -> int:
    if not out.is_complex():
        return 1
    return 6 if op.overloadpacket.__name__ in ("mul", "mul_") else 2


def _attention(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    backward = name.endswith("backward")
    query, key = args[1:3] if backward else args[0:2]
    per_score = 4 if backward else 5 + (kwargs.get("attn_mask") is not None)
    return int(query.numel() + key.numel() + per_score * prod(query.shape[:-1]) * key.shape[-2])


def _pool(op: OpOverload, out: Any, args: tuple[Any, ...]) -> int:
    name = op.overloadpacket.__name__
    first = next(tensors(out))
    if "adaptive" in name:
        return max(first.numel(), next(tensors(args)).numel())
    backward = name.endswith("backward")
    kernel = args[2] if backward else args[1]
    window = prod(kernel) if len(kernel) > 1 else kernel[0] ** (1 if name.endswith("1d") else 2)
    return int(window) * (next(tensors(args)) if backward else first).numel()


def moved_bytes(op: OpOverload, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Bytes read and written by one call: the sizes of its tensor arguments and results; none for views.

    Each element of an argument counts once, also where broadcasting repeats it.
    """
    if classify(op) is Work.FREE:
        return 0
    return sum(map(_distinct_bytes, tensors((args, kwargs)))) + sum(map(_distinct_bytes, tensors(out)))


def _distinct_bytes(tensor: torch.Tensor) -> int:
    sizes = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return prod(sizes) * tensor.element_size()
