"""What a module is given when it is counted: an image of a size, or the caller's own tensors and shapes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn

from ablate.errors import AblateError

Resolution: TypeAlias = int | Sequence[int]
Inputs: TypeAlias = torch.Tensor | Sequence[Any] | Mapping[str, Any]

_PLAIN = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128)


def image_size(resolution: Resolution) -> tuple[int, int]:
    """(H, W) of a resolution: one whole number (NumPy's too), or two. Raises `AblateError` for all else."""
    try:
        if isinstance(resolution, Iterable):
            height, width = (operator.index(side) for side in resolution)
        else:
            height = width = operator.index(resolution)
    except (TypeError, ValueError):
        raise AblateError(f"a resolution is a whole number or (height, width), not {resolution!r}") from None
    if min(height, width) < 1:
        raise AblateError(f"a resolution has at least one pixel, not {height} x {width}")
    return height, width


@dataclass(frozen=True)
class Call:
    """The arguments of a forward pass, tensors and shapes in any nesting."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    text: str  # what they are, for messages

    @classmethod
    def of(cls, inputs: Inputs | None, size: Sequence[int]) -> Call:
        """The caller's inputs; without any an image of this size, (B, C, H, W)."""
        if inputs is None:
            return cls((torch.Size(size),), {}, f"a {size[2]} x {size[3]} image")
        if isinstance(inputs, Mapping):
            return cls((), inputs, "these inputs")
        if isinstance(inputs, torch.Tensor) or _is_shape(inputs):
            return cls((inputs,), {}, "this input")
        if not isinstance(inputs, Iterable):
            raise AblateError(f"inputs are tensors or shapes, or a mapping of them, not {inputs!r}")
        return cls(tuple(inputs), {}, "these inputs")

    def make(self, device: str, dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments on a device: shapes become zeros of the dtype, tensors keep theirs and their data."""
        return (
            tuple(_made(item, device, dtype) for item in self.args),
            {name: _made(item, device, dtype) for name, item in self.kwargs.items()},
        )


def _is_shape(item: Any) -> bool:
    return (
        isinstance(item, (list, tuple))
        and bool(item)
        and all(hasattr(side, "__index__") and not isinstance(side, torch.Tensor) for side in item)
    )


def _made(item: Any, device: str, dtype: torch.dtype) -> Any:
    if isinstance(item, torch.Tensor):
        twin = item.detach().to(device, copy=True)
        return twin.requires_grad_(item.requires_grad)
    if _is_shape(item):
        return torch.zeros([operator.index(side) for side in item], dtype=dtype, device=device)
    if isinstance(item, Mapping):
        return {name: _made(value, device, dtype) for name, value in item.items()}
    if isinstance(item, (list, tuple)):
        return type(item)(_made(value, device, dtype) for value in item)
    return item


def image_dtypes(module: nn.Module) -> list[torch.dtype]:
    """Types that an image for this module may have, the likeliest first.

    That is the type of the first matrix or kernel among its weights, then those of its other weights; float32
    comes last where no weight has it.
    """
    weights = [parameter for parameter in module.parameters() if parameter.dtype in _PLAIN]
    kernels = [
        parameter
        for layer in module.modules()
        for name, parameter in layer.named_parameters(recurse=False)
        if parameter.dtype in _PLAIN and "weight" in name and _dims(parameter) != 1
    ]
    return list(dict.fromkeys([*(w.dtype for w in kernels), *(w.dtype for w in weights), torch.float32]))


def _dims(parameter: nn.Parameter) -> int:
    return 2 if nn.parameter.is_lazy(parameter) else parameter.dim()
