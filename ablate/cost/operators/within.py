"""The tensors inside any object: what a forward pass returns need be no list, dictionary or tensor."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import torch
from torch import nn

_OPAQUE = (
    str,
    bytes,
    int,
    float,
    complex,
    range,
    type,
    types.ModuleType,
    torch.dtype,
    torch.device,
    nn.Module,
)


def tensors_within(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor that can be reached from `value`, each once, in the order in which they are met.

    Looks into mappings, sequences and sets, dataclasses, distributions and any other object with attributes
    or slots, closures and partial functions. Modules are not looked into: their tensors are no results.
    """
    seen: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if item is None or isinstance(item, _OPAQUE) or id(item) in seen:
            continue
        seen[id(item)] = item  # kept alive, so that its id stays its own
        if isinstance(item, torch.Tensor):
            yield item
        else:
            waiting.extend(reversed(list(_contents(item))))


def _contents(item: Any) -> Iterator[Any]:
    if isinstance(item, Mapping):
        yield from item.values()
    elif isinstance(item, (Sequence, Set)):
        yield from item
    elif isinstance(item, functools.partial):
        yield from (item.func, *item.args, *item.keywords.values())
    elif isinstance(item, types.FunctionType):
        yield from captured(item)
    elif isinstance(item, types.MethodType):
        yield item.__self__
    yield from getattr(item, "__dict__", {}).values()
    for kind in type(item).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(item, name, None)


def captured(function: types.FunctionType) -> Iterator[Any]:
    """What a function's closure and its defaults hold, and the modules among the globals that it names."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    for name in function.__code__.co_names:
        if isinstance(function.__globals__.get(name), nn.Module):
            yield function.__globals__[name]
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
