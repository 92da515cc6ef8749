"""Let another tool loose on a model and on PyTorch, and leave both as they were.

ptflops puts wrappers into `torch`, `torch.Tensor` and `torch.nn.functional`, leaves methods on the model (its
pytorch backend) and hooks on its children (aten); fvcore leaves its hooks behind when a trace fails.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

_NAMESPACES: tuple[Any, ...] = (torch, torch.Tensor, F)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """On leaving, PyTorch's functions and `model` are what they were: attributes, hooks, flags, gradients."""
    modules = list(model.modules())
    attributes = [dict(vars(module)) for module in modules]
    hooks = [[dict(getattr(module, name)) for name in _HOOKS] for module in modules]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    functions = [dict(vars(space)) for space in _NAMESPACES]
    try:
        yield
    finally:
        for space, before in zip(_NAMESPACES, functions, strict=True):
            _restore_functions(space, before)
        for module, before, tables in zip(modules, attributes, hooks, strict=True):
            for name in set(vars(module)) - set(before):
                del vars(module)[name]
            vars(module).update(before)
            for name, table in zip(_HOOKS, tables, strict=True):
                current = getattr(module, name)
                current.clear()
                current.update(table)
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _restore_functions(space: Any, before: dict[str, Any]) -> None:
    for name, value in list(vars(space).items()):
        if name not in before:
            # lazily imported submodules may stay; a function that was not there is a leftover
            if callable(value) and not isinstance(value, type):
                delattr(space, name)
        elif before[name] is not value and callable(before[name]):
            setattr(space, name, before[name])


@contextlib.contextmanager
def silenced() -> Iterator[io.StringIO]:
    """No warnings, no log lines, no prints while it lasts; what was printed is in the yielded buffer."""
    printed = io.StringIO()
    disabled = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield printed
        finally:
            logging.disable(disabled)
