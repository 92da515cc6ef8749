"""What an operator without multiply-accumulates does: element-wise work by class, and what is not known.

*Element-wise operations* are everything that is not a contraction, by a fixed price list, so that two
blocks can be compared by what they move out of the matrix products:

| class | operations |
| --- | --- |
| view, allocation, copy, permutation, random numbers | 0 |
| pointwise (add, multiply, exp, GELU, comparison, dropout, quantisation) | 1 per output element |
| pointwise on complex numbers | 6 per product of two, else 2 |
| reduction, scan, sort, loss | 1 per input element |
| all others | the prices of `ablate.cost.operators.prices`: pooling, interpolation, softmax, norms, Fourier |

Elements that a sparse tensor does not store cost nothing.
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

from ablate.cost.operators import names
from ablate.cost.operators.prices import PRICES


class Work(Enum):
    """The class of an operator that has no counting rule."""

    FREE = "free"  # touches no element: views, allocations, metadata
    MOVE = "move"  # reads and writes, computes nothing
    POINTWISE = "pointwise"
    REDUCTION = "reduction"
    PRICED = "priced"  # by a price list, see `ablate.cost.operators.prices`
    HIDDEN = "hidden"  # holds contractions whose number cannot be said, see `names.HIDDEN`
    UNKNOWN = "unknown"


_BY_NAME: dict[str, Work] = {
    name: work
    for work, listed in (
        (Work.FREE, names.FREE.split()),
        (Work.MOVE, names.MOVE.split()),
        (Work.POINTWISE, names.POINTWISE.split()),
        (Work.REDUCTION, names.REDUCTION.split()),
        (Work.PRICED, list(PRICES)),
        (Work.HIDDEN, list(names.HIDDEN)),
    )
    for name in listed
}
_KNOWN = ("aten", "prim", "prims", "torchvision", "quantized", "_quantized", "onednn", "mkldnn")
_WITHOUT_WORK = ("profiler", "prim", "debugprims", "streams", "rngprims", "inductor_prims")
_COLLECTIVES = ("_c10d_functional", "_c10d_functional_autograd", "c10d", "c10d_functional")


@cache
def classify(op: OpOverload) -> Work:
    """The class of an operator: by name, by schema (a view), then by PyTorch's tags; else `UNKNOWN`."""
    if op.namespace in _WITHOUT_WORK or (op.namespace in _KNOWN and op.is_view):
        return Work.FREE
    if op.namespace in _COLLECTIVES:
        return Work.MOVE
    if op.namespace not in _KNOWN:
        return Work.UNKNOWN
    name = op.overloadpacket.__name__
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith("_test_"):
        return Work.FREE
    if name.endswith("_copy"):
        return Work.MOVE
    siblings = [getattr(op.overloadpacket, overload) for overload in op.overloadpacket.overloads()]
    if any(torch.Tag.pointwise in sibling.tags for sibling in siblings) or name.startswith("_foreach_"):
        return Work.POINTWISE
    if any(getattr(torch.Tag, "reduction", None) in sibling.tags for sibling in siblings):
        return Work.REDUCTION
    functional = getattr(getattr(torch.ops, op.namespace), name.removesuffix("_"), None)
    if name.endswith("_") and functional is not None:  # in place, and not tagged like its functional form
        return classify(getattr(functional, functional.overloads()[0]))
    if op.namespace not in ("aten", "torchvision"):
        twin = getattr(torch.ops.aten, name, None)
        return Work.POINTWISE if twin is None else classify(getattr(twin, twin.overloads()[0]))
    return Work.UNKNOWN


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors in nested arguments or results."""
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def elements(tensor: torch.Tensor) -> int:
    """Elements that a tensor stores: all of a dense one, the given ones of a sparse one."""
    if tensor.layout is torch.strided:
        return tensor.numel()
    if tensor.layout is torch.sparse_coo:
        return tensor._values().numel()
    compressed = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
    return tensor.values().numel() if tensor.layout in compressed else tensor.numel()


def elementwise(op: OpOverload, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Element-wise operations of one call, by the price list above; 0 for other operators."""
    work = classify(op)
    if work is Work.POINTWISE:
        return sum(elements(tensor) * _per_element(op, tensor) for tensor in tensors(out))
    if work is Work.REDUCTION:
        return max((elements(tensor) for tensor in tensors(args)), default=0)
    if work is Work.PRICED:
        return PRICES[op.overloadpacket.__name__](out, args, kwargs)
    name = op.overloadpacket.__name__
    if name.startswith(("_scaled_dot_product_", "flex_attention")):
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


def moved_bytes(op: OpOverload, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Bytes read and written by one call: the sizes of its tensor arguments and results; none for views.

    Each element of an argument counts once, also where broadcasting repeats it. Indices of sparse tensors
    are left out.
    """
    if classify(op) is Work.FREE:
        return 0
    return sum(map(_distinct_bytes, tensors((args, kwargs)))) + sum(map(_distinct_bytes, tensors(out)))


def _distinct_bytes(tensor: torch.Tensor) -> int:
    if tensor.layout is not torch.strided or tensor.is_nested:
        return elements(tensor) * tensor.element_size()
    sizes = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return prod(sizes) * tensor.element_size()
