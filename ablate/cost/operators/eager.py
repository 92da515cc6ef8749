"""Run a module as its author wrote it: nothing compiled, higher-order operators as the Python they stand for.

A counting mode sees operators. Compiled functions would hide them (or refuse to run under a mode), so that
they run uncompiled while the context is open; `torch.cond` takes the branch that its predicate says,
`torch.while_loop` loops, and flex attention is one fused operator on every device, in training too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_map

from ablate.cost.operators import flex
from ablate.cost.operators.complex import in_four


def _cond(predicate: Any, true_branch: Any, false_branch: Any, operands: Any) -> Any:
    return (true_branch if bool(predicate) else false_branch)(*operands)


def _while_loop(condition: Any, body: Any, carried: Any, additional: Any = ()) -> Any:
    while bool(condition(*carried, *additional)):
        carried = body(*carried, *additional)
    return carried


def _map(function: Any, mapped: Any, others: Any) -> Any:
    results = [function(*items, *others) for items in zip(*mapped, strict=True)]
    return tree_map(lambda *items: torch.stack(items), *results)


def _scan(step: Any, start: Any, scanned: Any, additional: Any = (), *_: Any) -> Any:
    carried, results = list(start), []
    for items in zip(*scanned, strict=True):
        both = list(step(*carried, *items, *additional))
        carried = both[: len(carried)]
        results.append(both[len(carried) :])
    return (*carried, *(torch.stack(items) for items in zip(*results, strict=True)))


def _uncompiled(model: Any = None, **_: Any) -> Any:
    return model if model is not None else lambda function: function


_HIGHER_ORDER: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("torch._higher_order_ops.cond", "cond_op", _cond),
    ("torch._higher_order_ops.while_loop", "while_loop_op", _while_loop),
    ("torch._higher_order_ops.map", "map_impl", _map),
    ("torch._higher_order_ops.scan", "scan_op", _scan),
    ("torch.nn.attention.flex_attention", "flex_attention_hop", flex.flex_attention),
    ("torch.nn.attention.flex_attention", "_validate_device", lambda *_: None),
)

_CONVOLUTIONS = tuple(
    (module, name, in_four(getattr(module, name)))
    for module in (torch, F)
    for name in (f"conv{transposed}{size}d" for transposed in ("", "_transpose") for size in (1, 2, 3))
)


@contextmanager
def eager() -> Iterator[None]:
    """Nothing is compiled while the context is open; what is compiled already runs uncompiled."""
    changes: list[tuple[Any, str, Any]] = [(torch, "compile", _uncompiled), *_CONVOLUTIONS]
    changes += [(sys.modules[at], name, twin) for at, name, twin in _HIGHER_ORDER if at in sys.modules]
    originals = [getattr(module, name) for module, name, _ in changes]
    # Where nothing was compiled yet, torch._dynamo is not there, and importing it takes seconds.
    stance = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        for module, name, twin in changes:
            setattr(module, name, twin)
        with stance:
            yield
    finally:
        for (module, name, _), original in zip(changes, originals, strict=True):
            setattr(module, name, original)
