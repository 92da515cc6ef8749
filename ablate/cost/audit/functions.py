"""Products called as functions (`@`, `matmul`, `einsum`, fused attention), seen where Python calls them.

ptflops' hooks see modules only; this is what is supplied to it for the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from ablate.cost.audit import rules

Rule = Callable[..., int]


class FunctionTally(TorchFunctionMode):
    """While entered, adds up MACs of functions in `by_name`, but for calls from inside a `layers` module."""

    def __init__(self, layers: tuple[type[nn.Module], ...]):
        super().__init__()
        self.by_name: Counter[str] = Counter()
        self._layers = layers
        self._inside = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func in _RULES and not self._inside:
            name, rule = _RULES[func]
            self.by_name[name] += rule(out, *args, **kwargs)
        return out

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Count the functions that `model` calls; what its layers call is left to their hooks."""

        def step(change: int) -> Callable[..., None]:
            def hook(*_: Any) -> None:
                self._inside += change

            return hook

        handles = []
        for module in model.modules():
            if isinstance(module, self._layers):
                handles.append(module.register_forward_pre_hook(step(+1)))
                handles.append(module.register_forward_hook(step(-1)))
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()


def _matmul(_out: Any, a: torch.Tensor, b: torch.Tensor, **_: Any) -> int:
    return rules.matmul(a.shape, b.shape)


def _added_matmul(_out: Any, _bias: Any, a: torch.Tensor, b: torch.Tensor, **_: Any) -> int:
    return rules.matmul(a.shape, b.shape)


def _linear(_out: Any, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    return rules.linear(x.shape, weight.shape)


def _convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    return rules.convolution(x.shape, weight.shape, out.shape)


def _transposed(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    return rules.convolution(x.shape, weight.shape, out.shape, transposed=True)


def _attention(
    _out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
) -> int:
    return rules.attention(query.shape, key.shape, value.shape)


def _einsum(_out: Any, equation: str, *operands: Any) -> int:
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return rules.einsum(equation, [tensor.shape for tensor in tensors])


def _multi_head(
    _out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dim: int, *_: Any, **__: Any
) -> int:
    """(N, B, C) query, (M, B, C) key and value: four projections (out as large as q) and the two products."""
    projected = 2 * prod(query.shape) * dim + prod(key.shape) * dim + prod(value.shape) * dim
    return projected + 2 * prod(query.shape[:-1]) * key.shape[0] * dim


def _named(name: str, rule: Rule, *functions: Any) -> dict[Any, tuple[str, Rule]]:
    return dict.fromkeys(functions, (name, rule))


_RULES: dict[Any, tuple[str, Rule]] = {
    **_named("@", _matmul, torch.Tensor.__matmul__),
    **_named("@", lambda out, b, a: _matmul(out, a, b), torch.Tensor.__rmatmul__),
    **_named("matmul", _matmul, torch.matmul, torch.Tensor.matmul),
    **_named("mm", _matmul, torch.mm, torch.Tensor.mm),
    **_named("bmm", _matmul, torch.bmm, torch.Tensor.bmm),
    **_named("mv", _matmul, torch.mv, torch.Tensor.mv),
    **_named("dot", _matmul, torch.dot, torch.Tensor.dot),
    **_named("addmm", _added_matmul, torch.addmm, torch.Tensor.addmm),
    **_named("baddbmm", _added_matmul, torch.baddbmm, torch.Tensor.baddbmm),
    **_named("addmv", _added_matmul, torch.addmv, torch.Tensor.addmv),
    **_named("addbmm", _added_matmul, torch.addbmm, torch.Tensor.addbmm),
    **_named("einsum", _einsum, torch.einsum),
    **_named("linear", _linear, F.linear),
    **_named("conv", _convolution, F.conv1d, F.conv2d, F.conv3d),
    **_named("conv_transpose", _transposed, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    **_named("scaled_dot_product_attention", _attention, F.scaled_dot_product_attention),
    **_named("multi_head_attention", _multi_head, F.multi_head_attention_forward),
}
