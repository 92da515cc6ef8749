"""What a run takes from PyTorch's allocator, and on a CPU the scratch of its kernels.

On CUDA the caching allocator counts by itself. On a CPU the profiler records every allocation and release,
and the operator in whose time it falls. *Scratch* is what an operator takes and gives back before it ends:
buffers for weights or images in another order, a second output, the columns of a convolution. No tensor of
the program holds it, so a prediction that follows tensors does not have it. Operators that PyTorch composes
of others are not operators here: what they hold between their parts are tensors that the prediction follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.profiler import ProfilerActivity, profile, record_function

from ablate.measurements.memory import Scratch

_MODULE = "module: "


@dataclass
class Reading:
    """Bytes alive above those at the start: the most at once, and at the end. Filled when the meter closes.

    `scratch` is the part of the peak that a kernel took (CPU), `allocated_peak` the peak by the allocator's
    blocks (CUDA).
    """

    peak: int = 0
    end: int = 0
    scratch: Scratch | None = None
    allocated_peak: int | None = None


@dataclass(frozen=True)
class _Change:
    """One allocation or release, and the operator within which it falls."""

    time: int
    address: int
    bytes: int  # negative: a release
    operator: Any | None  # the profiler's event


@contextmanager
def meter(module: nn.Module, device: torch.device) -> Iterator[Reading]:
    """Measure the allocations between here and the end of the context, on a CPU or on CUDA.

    `module` is what runs: scratch is named by its submodules' paths.
    """
    reading = Reading()
    if device.type == "cuda":
        yield from _by_counters(reading, device)
    else:
        yield from _by_events(reading, module)


def _by_counters(reading: Reading, device: torch.device) -> Iterator[Reading]:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_stats(device)
    torch.cuda.reset_peak_memory_stats(device)
    yield reading
    torch.cuda.synchronize(device)
    after = torch.cuda.memory_stats(device)
    requested = before["requested_bytes.all.current"]
    reading.peak = after["requested_bytes.all.peak"] - requested
    reading.end = after["requested_bytes.all.current"] - requested
    reading.allocated_peak = torch.cuda.max_memory_allocated(device) - before["allocated_bytes.all.current"]


def _by_events(reading: Reading, module: nn.Module) -> Iterator[Reading]:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, _named(module):
        yield reading
    assert profiler.profiler is not None
    results: Any = profiler.profiler.kineto_results
    roots = results.experimental_event_tree()
    changes = sorted((change for root in roots for change in _changes(root, None)), key=lambda c: c.time)
    top = _follow(changes, reading)
    reading.scratch = Scratch()
    operator = None if top is None else changes[top].operator
    if top is not None and operator is not None:
        size = _held(changes[: top + 1], operator) - _held(changes, operator)
        if size:
            reading.scratch = Scratch(size, operator.name, _path(operator, roots))


def _follow(changes: list[_Change], reading: Reading) -> int | None:
    """Add the changes up; which of them reaches the peak."""
    top = None
    for place, change in enumerate(changes):
        reading.end += change.bytes
        if reading.end > reading.peak:
            reading.peak, top = reading.end, place
    return top


def _held(changes: list[_Change], operator: Any) -> int:
    """Bytes that an operator has taken and not given back, by the end of the changes."""
    taken: dict[int, int] = {}
    for change in changes:
        if change.operator is None or change.operator.id != operator.id:
            continue
        if change.bytes > 0:
            taken[change.address] = change.bytes
        else:
            taken.pop(change.address, None)
    return sum(taken.values())


def _changes(event: Any, operator: Any | None) -> Iterator[_Change]:
    """Every allocation and release below an event, with the outermost operator that it falls in."""
    if event.tag.name == "Allocation":
        details = event.typed[1]
        if details.device.type == "cpu":
            yield _Change(event.start_time_ns, details.ptr, details.alloc_size, operator)
        return
    if operator is None and event.tag.name == "TorchOp" and _single(event.name):
        operator = event
    for child in event.children:
        yield from _changes(child, operator)


@cache
def _single(name: str) -> bool:
    """Whether a name is an operator that the dispatcher does not compose of others."""
    try:
        composed: bool = torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")
    except RuntimeError:  # no operator: a module, a node of autograd, the optimizer's step
        return False
    return not composed


def _path(operator: Any, roots: list[Any]) -> str:
    """The submodule that an operator belongs to: by what encloses it, in the backward pass by the forward
    operator with the same sequence number."""
    inside: Any | None = operator
    while inside is not None:
        if inside.name.startswith(_MODULE):
            return str(inside.name.removeprefix(_MODULE))
        number = inside.typed[1].sequence_number if inside.tag.name == "TorchOp" else -1
        if number >= 0 and inside.typed[1].scope.name == "BACKWARD_FUNCTION":
            forward = next((path for root in roots for path in _forward(root, number, "")), "")
            if forward:
                return forward
        inside = inside.parent
    return ""


def _forward(event: Any, number: int, path: str) -> Iterator[str]:
    """The paths of the forward operators with a sequence number, below an event."""
    if event.name.startswith(_MODULE):
        path = event.name.removeprefix(_MODULE)
    if event.tag.name == "TorchOp":
        if event.typed[1].scope.name == "BACKWARD_FUNCTION":
            return
        if event.typed[1].sequence_number == number and path:
            yield path
    for child in event.children:
        yield from _forward(child, number, path)


@contextmanager
def _named(module: nn.Module) -> Iterator[None]:
    """Let the profiler see which submodule runs."""
    paths = {id(part): path for path, part in module.named_modules()}
    running: list[record_function] = []

    def enter(part: nn.Module, _: Any) -> None:
        name = record_function(_MODULE + paths.get(id(part), ""))
        name.__enter__()  # type: ignore[no-untyped-call]
        running.append(name)

    def leave(*_: Any) -> None:
        running.pop().__exit__(None, None, None)

    handles = (
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
