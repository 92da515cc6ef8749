"""The counting mode: it adds up the work of every operator, by module and by kind of operator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.cost.operators.classes import Work, classify, elements, elementwise, moved_bytes, tensors
from ablate.cost.operators.faithful import execute
from ablate.cost.operators.rules import RULES, rule_of

_CHECKPOINT = "CheckpointFunctionBackward"  # the reentrant variant's node
_RECOMPUTATION = "_recomputation_hook"  # what the other variant keeps open meanwhile

Phase: TypeAlias = Literal["forward", "backward", "recomputed"]


@dataclass(frozen=True)
class Tally:
    """Work of some operators: MACs of contractions, and element-wise operations as priced by
    `ablate.cost.operators.classes`.
    """

    macs: int = 0
    elementwise: int = 0
    bytes: int = 0  # read and written by all operators, bytes
    activations: int = (
        0  # output elements of contractions (convolution, matmul, attention) in the forward pass
    )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.macs + other.macs,
            self.elementwise + other.elementwise,
            self.bytes + other.bytes,
            self.activations + other.activations,
        )


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the work of every operator that is dispatched while it is entered.

    `track(module)` attributes the work to the module's submodules too, by their paths. While `backward` is
    set, forward work is *recomputation* (`torch.utils.checkpoint`): what runs with gradients enabled, which
    autograd itself never does, inside of a module or for a checkpoint inside of another. It is kept apart and
    is no part of `total`.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.backward = False
        self.uncounted: dict[str, None] = {}
        self._tallies: dict[tuple[str, Phase, Any], list[int]] = {}
        self._path = [""]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            out = func(*args, **kwargs)
            self._add(RULES.get(func), func, out, args, kwargs)
            return out
        rule = rule_of(func)
        if rule is None and _composite(func):
            with self:  # a composite operator that was not taken apart on its way here
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = execute(func, args, kwargs)
        self._add(rule, func, out, args, kwargs)
        return out

    def _phase(self) -> Phase:
        if not self.backward:
            return "forward"
        if torch.is_grad_enabled() or len(self._path) > 1:
            return "recomputed"
        node: Any = torch._C._current_autograd_node()
        hooks: Any = torch._C._autograd._top_saved_tensors_default_hooks(False)
        nested = (node is not None and node.name() == _CHECKPOINT) or (
            hooks is not None and hooks[0].__qualname__.startswith(_RECOMPUTATION)
        )
        return "recomputed" if nested else "backward"

    def _add(self, rule: Any, func: Any, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        phase = self._phase()
        kind = func.overloadpacket if isinstance(func, OpOverload) else func
        tally = self._tallies.setdefault((self._path[-1], phase, kind), [0, 0, 0, 0])
        if rule is not None:
            named = {name: value for name, value in kwargs.items() if name != "out"} if kwargs else kwargs
            tally[0] += rule(out, *args, **named)
            if phase == "forward":
                tally[3] += elements(next(tensors(out)))
        if not isinstance(func, OpOverload):
            if rule is None:
                self.uncounted[str(func)] = None
            return
        if rule is None and classify(func) in (Work.UNKNOWN, Work.HIDDEN):
            self.uncounted[str(kind)] = None
        tally[1] += elementwise(func, out, args, kwargs)
        tally[2] += moved_bytes(func, out, args, kwargs)

    @contextmanager
    def track(self, module: nn.Module) -> Iterator[None]:
        """Know which submodule is running.

        By hooks that PyTorch keeps for all modules, removed afterwards: the module's own are not touched, and
        compiled ones (TorchScript), which take none, are known too.
        """
        paths = {id(child): path for path, child in module.named_modules()}

        def enter(child: nn.Module, _: Any) -> None:
            self._path.append(paths.get(id(child), self._path[-1]))

        def leave(*_: Any) -> None:
            self._path.pop()

        with contextlib.ExitStack() as handles:
            handles.enter_context(register_module_forward_pre_hook(enter))
            handles.enter_context(register_module_forward_hook(leave, always_call=True))
            yield

    @property
    def total(self) -> Tally:
        """The work of all operators so far, forward and backward, without recomputation."""
        counted = [tally for (_, phase, _), tally in self._tallies.items() if phase != "recomputed"]
        return Tally(*(sum(column) for column in zip(*counted, strict=True)))

    @property
    def recomputed(self) -> int:
        """MACs of forward work that the backward pass did once more."""
        return sum(tally[0] for (_, phase, _), tally in self._tallies.items() if phase == "recomputed")

    @property
    def by_module(self) -> dict[str, Tally]:
        """The work of the forward pass by module path, children included; "" is the whole."""
        own: dict[str, Tally] = {}
        for (path, phase, _), tally in self._tallies.items():
            if phase == "forward":
                own[path] = own.get(path, Tally()) + Tally(*tally)
        sums: dict[str, Tally] = {}
        for path, work in own.items():
            parts = path.split(".") if path else []
            for depth in range(len(parts) + 1):
                name = ".".join(parts[:depth])
                sums[name] = sums.get(name, Tally()) + work
        return sums

    @property
    def by_operator(self) -> dict[str, Tally]:
        """The work of all operators so far by operator name, recomputation left out; their sum is `total`."""
        sums: dict[str, Tally] = {}
        for (_, phase, kind), tally in self._tallies.items():
            if phase != "recomputed":
                sums[str(kind)] = sums.get(str(kind), Tally()) + Tally(*tally)
        return sums


@cache
def _composite(op: OpOverload) -> bool:
    """Whether an operator is a composition of others, in C++ or Python."""
    key: Any = torch._C.DispatchKey.CompositeImplicitAutograd
    if op.namespace == "prim":
        return False
    name: Any = op.name  # not typed in every version of PyTorch
    return key in op.py_kernels or torch._C._dispatch_has_kernel_for_dispatch_key(name(), key.name)
