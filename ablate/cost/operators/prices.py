"""The price list of element-wise work that is neither pointwise nor a plain reduction.

| operator | operations |
| --- | --- |
| pooling, forward and backward | window size per output (backward: input) position |
| interpolation, grid sampling, RoI align, sampling of a deformable convolution | 2 per neighbour read: nearest 0, linear 4, bilinear 8, trilinear 16, bicubic 32, Lanczos 72 per output element; backward the same |
| softmax, log-softmax | 5 per element (maximum, difference, exponential, sum, quotient); backward 4 |
| layer, group, RMS norm | 5 per element (mean, difference, squares, scale, affine); backward 8 |
| batch norm | 2 per element (scale and shift), 5 in training; backward 8 |
| fused attention | as unfused: 1 per element of query and key, 5 per score (6 masked); backward 4 per score |
| Fourier transform | 5 N log2 N real operations for each transform of N points, real or complex, rounded |
| non-maximum suppression, rotated overlaps | 12 per pair of boxes |
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable
from math import log2, prod
from typing import Any, TypeAlias

import torch

Price: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], int]


def _first(tree: Any) -> torch.Tensor:
    if isinstance(tree, torch.Tensor):
        return tree
    return next(item for item in tree if isinstance(item, torch.Tensor))


def _of_input(price: int) -> Price:
    return lambda out, args, kwargs: price * _first(args).numel()


def _of_output(price: int) -> Price:
    return lambda out, args, kwargs: price * _first(out).numel()


def _batch_norm(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    training = args[5] if len(args) > 5 else kwargs.get("training", True)
    return (5 if training else 2) * int(args[0].numel())


def _window(kernel: Any, spatial: int) -> int:
    sizes = [kernel] if isinstance(kernel, int) else list(kernel)
    return int(prod(sizes) if len(sizes) > 1 else sizes[0] ** spatial)


def _pool(spatial: int, *, backward: bool) -> Price:
    """A window over each position; its size stands after the tensors (gradient, input)."""

    def price(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        kernel = args[2 if backward else 1]
        return _window(kernel, spatial) * _first(args if backward else out).numel()

    return price


def _adaptive(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    return max(_first(out).numel(), _first(args).numel())


def _grid_sample(neighbours: dict[int, int], *, backward: bool) -> Price:
    def price(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        mode = args[3 if backward else 2]
        return 2 * neighbours[int(mode)] * (args[0] if backward else _first(out)).numel()

    return price


def _fourier(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """A transform along each of the dimensions: 5 n log2 n of n complex points, and half as much where one
    side is real, whose points are then those that count (the convention of FFTW's benchmarks)."""
    result, given = _first(out), _first(args)
    side = given if given.numel() > result.numel() else result
    points = prod(side.shape[dim] for dim in args[1])
    transforms = side.numel() // max(points, 1)
    factor = 5 if given.is_complex() and result.is_complex() else 2.5
    return round(transforms * factor * points * log2(points)) if points > 1 else 0


def _roi_align(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Bilinear samples, `sampling_ratio` squared in each bin; where each box has its own number, one."""
    ratio = max(int(args[5]), 1)
    return 8 * ratio * ratio * _first(out).numel()


def _roi_align_backward(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    return 8 * int(args[0].numel())


def _pairs(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    count = len(args[0])
    return 12 * count * (count - 1) // 2


def _box_overlaps(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    return 12 * len(args[0]) * len(args[1])


def _samples(x: torch.Tensor, positions: int, offset: torch.Tensor, groups: int) -> int:
    """Bilinear samples of a deformable convolution: each channel at each tap of each output position."""
    taps = offset.shape[1] // (2 * groups)
    return int(x.shape[0] * x.shape[1] * taps * positions)


def _deform(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    x, offset, groups, masked = args[0], args[2], args[-2], bool(args[-1])
    return (8 + masked) * _samples(x, prod(out.shape[2:]), offset, groups)


def _deform_backward(out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    gradient, x, offset, groups, masked = args[0], args[1], args[3], args[-2], bool(args[-1])
    return (8 + masked) * 2 * _samples(x, prod(gradient.shape[2:]), offset, groups)


_SOFTMAX = """_softmax _safe_softmax _log_softmax softmax log_softmax _masked_softmax _sparse_softmax
_sparse_log_softmax"""
_SOFTMAX_BACK = """_softmax_backward_data _log_softmax_backward_data _masked_softmax_backward
_sparse_softmax_backward_data _sparse_log_softmax_backward_data"""
_NORM = """native_layer_norm native_group_norm _fused_rms_norm _native_batch_norm_legit_no_stats
_batch_norm_with_update _batch_norm_with_update_functional _native_batch_norm_legit_functional"""
_NORM_BACK = """native_layer_norm_backward native_group_norm_backward _fused_rms_norm_backward
native_batch_norm_backward batch_norm_backward cudnn_batch_norm_backward miopen_batch_norm_backward"""
_TAPS = {
    **{f"{exact}{size}d": 0 for exact in ("nearest", "nearest_exact") for size in (1, 2, 3)},
    "linear1d": 2,
    "bilinear2d": 4,
    "trilinear3d": 8,
    "bicubic2d": 16,
    "lanczos2d": 36,
}  # neighbours that are read for an output element
_CORNERS_2D, _CORNERS_3D = {0: 4, 1: 0, 2: 16}, {0: 8, 1: 0}

PRICES: dict[str, Price] = {
    **{name: _of_output(5) for name in _SOFTMAX.split()},
    **{name: _of_input(4) for name in _SOFTMAX_BACK.split()},
    "_nested_tensor_softmax_with_shape": _of_input(5),
    **{name: _of_input(5) for name in _NORM.split()},
    **{name: _of_input(8) for name in _NORM_BACK.split()},
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _of_input(5),
    "cudnn_batch_norm": _of_input(5),
    "miopen_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _of_input(2),
    "_batch_norm_no_update": _of_input(2),
    "quantized_batch_norm": _of_input(2),
    **{f"batch_norm{size}{relu}": _of_input(2) for size in ("", "1d", "2d", "3d") for relu in ("", "_relu")},
    **{f"{kind}_norm": _of_input(5) for kind in ("layer", "group", "instance")},  # quantised ones
    **{
        f"{prefix}upsample_{kind}{suffix}": (_of_input if suffix.endswith("backward") else _of_output)(
            2 * taps
        )
        for kind, taps in _TAPS.items()
        for prefix in ("", "_")
        for suffix in ("", "_aa", "_backward", "_aa_backward")
    },
    **{
        f"{prefix}{kind}_pool{size}d{middle}{suffix}": _pool(size, backward=bool(suffix))
        for kind in ("avg", "max")
        for size in (1, 2, 3)
        for prefix in ("", "mkldnn_", "quantized_")
        for middle in ("", "_with_indices")
        for suffix in ("", "_backward")
    },
    **{
        f"fractional_max_pool{size}d{suffix}": _pool(size, backward=bool(suffix))
        for size in (2, 3)
        for suffix in ("", "_backward")
    },
    **{
        f"{prefix}adaptive_{kind}_pool{size}d{suffix}": _adaptive
        for kind in ("avg", "max")
        for size in (1, 2, 3)
        for prefix in ("", "_", "mkldnn_")
        for suffix in ("", "_backward")
    },
    **{
        f"{prefix}{suffix}": _grid_sample(corners, backward=bool("backward" in suffix))
        for prefix, corners in (
            ("grid_sampler_2d", _CORNERS_2D),
            ("grid_sampler_3d", _CORNERS_3D),
            ("_grid_sampler_2d_cpu_fallback", _CORNERS_2D),
        )
        for suffix in ("", "_backward")
    },
    "cudnn_grid_sampler": _of_output(8),
    "cudnn_grid_sampler_backward": lambda out, args, kwargs: 8 * args[-1].numel(),
    **dict.fromkeys(("_fft_r2c", "_fft_c2c", "_fft_c2r", "fft_r2c", "fft_c2c", "fft_c2r"), _fourier),
    "roi_align": _roi_align,
    "qroi_align": _roi_align,
    "ps_roi_align": _roi_align,
    "_roi_align_backward": _roi_align_backward,
    "_ps_roi_align_backward": _roi_align_backward,
    **{
        name: _of_input(1)
        for name in ("roi_pool", "ps_roi_pool", "_roi_pool_backward", "_ps_roi_pool_backward")
    },
    "nms": _pairs,
    "qnms": _pairs,
    "box_iou_rotated": _box_overlaps,
    "deform_conv2d": _deform,
    "_deform_conv2d_backward": _deform_backward,
}
"""Operator name -> price of one call, from its result, arguments and keyword arguments."""
