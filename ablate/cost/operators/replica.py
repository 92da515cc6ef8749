"""Modules to count on, without data on `meta` or real on the CPU: the original is left alone.

A copy is made where the module can be copied. Where it cannot (it holds a lock, a file, a graph), the module
itself is lent: its tensors are exchanged for stand-ins, and when the count is over everything that it holds
is put back as it was.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from ablate.cost.operators.quantised import packed_objects
from ablate.cost.operators.within import captured


class NeedsDataError(Exception):
    """A module holds what has no form without data: compiled code, packed weights, sparse tensors."""


def _stand_in(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """A tensor like the given one: without data on `meta`, else a copy on the device."""
    if is_lazy(tensor):
        kind: Any = UninitializedParameter if isinstance(tensor, nn.Parameter) else UninitializedBuffer
        arguments = {"requires_grad": tensor.requires_grad} if isinstance(tensor, nn.Parameter) else {}
        lazy: torch.Tensor = kind(device=device, dtype=tensor.dtype, **arguments)
        return lazy
    if device == "meta":
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise NeedsDataError("its tensors are sparse or quantised")
        twin = torch.empty_like(tensor, device="meta", requires_grad=False)
    else:
        twin = tensor.detach().to(device, copy=True)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(twin, requires_grad=tensor.requires_grad)
    return twin.requires_grad_() if tensor.requires_grad else twin


def _own_tensors(value: Any) -> list[torch.Tensor]:
    """Tensors that a module keeps as plain attributes, also in lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _own_tensors(item)]
    return []


def _compiled(module: nn.Module) -> bool:
    """Whether TorchScript is inside: its tensors live in C++, where they cannot be exchanged."""
    return any(isinstance(layer, torch.jit.ScriptModule) for layer in module.modules())


def _captures(module: nn.Module) -> bool:
    """Whether a function that it holds (an attribute, a hook) has hold of a module or tensor of its own.

    A copy of the module would run the original through it.
    """
    for layer in module.modules():
        for value in vars(layer).values():
            held = value.values() if isinstance(value, dict) else (value,)
            for function in held:
                if isinstance(function, types.FunctionType) and any(
                    isinstance(item, (nn.Module, torch.Tensor)) for item in captured(function)
                ):
                    return True
    return False


def _without_data(module: nn.Module) -> bool:
    return all(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def _copied(module: nn.Module, device: str) -> nn.Module:
    memo: dict[int, Any] = {}
    for layer in module.modules():
        if not isinstance(layer, torch.jit.ScriptModule):
            for tensor in _own_tensors(vars(layer)):
                if id(tensor) not in memo:
                    memo[id(tensor)] = _stand_in(tensor, device)
    with torch.no_grad():  # TorchScript copies its weights by an operator, and they shall have no history
        twin = copy.deepcopy(module, memo)
    for weight, original in zip(twin.parameters(), module.parameters(), strict=True):
        weight.requires_grad_(original.requires_grad)
    return twin.to(device) if device != "meta" else twin


@contextmanager
def stand_in(module: nn.Module, device: str) -> Iterator[nn.Module]:
    """The module on `meta` or the CPU, to run and to change as one likes while the context is open.

    Raises `NeedsDataError` for `meta` where the module cannot be without data.
    """
    if device == "meta" and (
        any(packed_objects(module)) or (_compiled(module) and not _without_data(module))
    ):
        raise NeedsDataError("it holds TorchScript or packed weights")
    if (device == "meta" and not _captures(module)) or _compiled(module):
        try:
            twin = _copied(module, device)
        except NeedsDataError:
            raise
        except Exception:  # whatever a user's object raises when it is copied
            if _compiled(module):
                raise
        else:
            yield twin
            return
    loan = _Loan(device)
    try:
        loan.lend(module)
        yield module
    finally:
        loan.give_back()


_NO_OBJECT = (type, types.ModuleType)  # what everyone shares is not exchanged


class _Loan:
    """Exchanges the tensors in everything that a module holds, and can put it all back."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._twins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._seen: dict[int, Any] = {}
        self._changed: list[tuple[Any, Any]] = []  # a container, and what it held

    def lend(self, value: Any) -> Any:
        """What takes the place of `value`: for containers and objects themselves, changed inside."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self._twins:
                self._twins[id(value)] = (value, _stand_in(value, self.device))
            return self._twins[id(value)][1]
        if isinstance(value, tuple) and value:
            return self._tuple(value)
        if id(value) in self._seen:
            return value
        self._seen[id(value)] = value
        if isinstance(value, dict):
            self._changed.append((value, dict(value)))
            for key, item in list(value.items()):
                dict.__setitem__(value, key, self.lend(item))
        elif isinstance(value, list):
            self._changed.append((value, list(value)))
            value[:] = [self.lend(item) for item in value]
        elif isinstance(value, set):
            self._changed.append((value, set(value)))
        elif isinstance(value, types.MethodType):
            self.lend(value.__self__)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, _NO_OBJECT):
            self._changed.append((value, type(value)))  # lazy layers change their class
            self.lend(vars(value))
        return value

    def _tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        items = [self.lend(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)

    def _function(self, function: types.FunctionType) -> None:
        if function.__module__ is not None and function.__module__.partition(".")[0] == "torch":
            return
        for item in captured(function):
            if isinstance(item, nn.Module):  # a global one has no cell to be exchanged in
                self.lend(item)
        for cell in function.__closure__ or ():
            try:
                held = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            self._changed.append((cell, held))
            cell.cell_contents = self.lend(held)

    def give_back(self) -> None:
        """Put back what every container held, the last change first."""
        for container, held in reversed(self._changed):
            if isinstance(container, dict):
                container.clear()
                container.update(held)
            elif isinstance(container, list):
                container[:] = held
            elif isinstance(container, set):
                container.clear()
                container.update(held)
            elif isinstance(container, types.CellType):
                container.cell_contents = held
            elif type(container) is not held:
                container.__class__ = held
