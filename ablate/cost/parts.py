"""The cost of one part, counted once and remembered: layouts are sums over a few distinct parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import torch
from torch import nn

from ablate.cost.count import CountingMode, Tally, as_before, run_pass
from ablate.cost.memory.links import (
    Border,
    InferenceTrace,
    OptimizerTrace,
    TrainingTrace,
    trace_inference_link,
    trace_optimizer,
    trace_training_link,
)
from ablate.cost.memory.trace import Memory, module_tensors, storage_bytes, trace_memory
from ablate.cost.operators.kernel import Kernel
from ablate.model import Part, build_part

Result = TypeVar("Result")
_REMEMBERED = 1 << 16  # costs are small; modules are not, so that fewer of them are kept
_MODULES = 256


@dataclass(frozen=True)
class PartCost:
    """What one part costs in a forward pass for an input of one layout; `params` are parameters."""

    part: Part
    given: Border
    output: Border
    work: Tally
    params: int
    weight_bytes: int  # parameters and buffers
    uncounted: tuple[str, ...] = ()
    ran_on: str = "meta"  # "cpu" where the part looks at values

    @property
    def training_macs(self) -> int:
        """MACs of forward and backward pass. A stem's input is the image, which needs no gradient."""
        return _training_macs(self.part, self.given, self.part.kind == "stem")

    def inference_trace(self, kernel: Kernel) -> InferenceTrace:
        """Memory of the forward pass without gradients."""
        return _inference_trace(self.part, self.given, kernel)

    def training_trace(self, kernel: Kernel, gradient: Border, drop_path: bool) -> TrainingTrace:
        """Memory of forward and backward pass, for this gradient of the output."""
        part = replace(self.part, drop_path=0.5) if drop_path else self.part
        return _training_trace(part, self.given, gradient, kernel, self.part.kind == "stem")

    def optimizer_trace(self, before: int) -> OptimizerTrace:
        """Memory of the optimizer's state and step, after a weight of `before` elements."""
        return _optimizer_trace(self.part, before)


def image_border(batch: int, channels: int, height: int, width: int) -> Border:
    """A batch of images in channels-last layout."""
    size = (batch, channels, height, width)
    return Border.of(torch.empty(size, device="meta").to(memory_format=torch.channels_last))


def cost_of_link(part: Part, given: Border) -> PartCost:
    """Cost of a part for an input with exactly this layout.

    Counted on `meta` the first time, remembered afterwards. Stochastic depth costs nothing in a forward pass
    and does not distinguish parts. Raises `ValueError` when a block refuses its size or its arguments.
    """
    return _count(replace(part, drop_path=0.0) if part.drop_path else part, given)


def trace_chain(costs: Sequence[PartCost], kernel: Kernel) -> Memory:
    """Memory of a chain of parts that is run as a whole, for chains that cannot be composed."""
    with torch.device("meta"):
        chain = nn.Sequential(*(build_part(cost.part) for cost in costs))
    return trace_memory(chain.to(memory_format=torch.channels_last), costs[0].given.make(), kernel)


def forget() -> None:
    """Empty the memory of parts, as after `register_macs` or after a block's source was changed."""
    remembered: tuple[Callable[[], None], ...] = (
        _module.cache_clear,
        _count.cache_clear,
        _training_macs.cache_clear,
        _inference_trace.cache_clear,
        _training_trace.cache_clear,
        _optimizer_trace.cache_clear,
    )
    for clear in remembered:
        clear()


@lru_cache(_MODULES)
def _module(part: Part, device: str = "meta") -> nn.Module:
    with torch.device(device):
        module = build_part(part)
    return module.to(memory_format=torch.channels_last)


def _run(part: Part, trace: Callable[[nn.Module, str], Result]) -> tuple[Result, str]:
    """Run a part on `meta`, or on the CPU with its first weights if it looks at values; and where it ran."""
    try:
        return trace(_module(part), "meta"), "meta"
    except Exception:  # a user's block raises what it likes
        with as_before():
            return trace(_module(part, "cpu"), "cpu"), "cpu"


@lru_cache(_REMEMBERED)
def _count(part: Part, given: Border) -> PartCost:
    mode = CountingMode()

    def trace(module: nn.Module, device: str) -> tuple[nn.Module, torch.Tensor]:
        nonlocal mode
        mode = CountingMode()
        return module, run_pass(mode, module.eval(), given.make(device), False, "fused")

    (module, out), ran_on = _run(part, trace)
    return PartCost(
        part,
        given,
        Border.of(out),
        mode.total,
        params=sum(parameter.numel() for parameter in module.parameters()),
        weight_bytes=storage_bytes(module_tensors(module)),
        uncounted=tuple(sorted(mode.uncounted)),
        ran_on=ran_on,
    )


@lru_cache(_REMEMBERED)
def _training_macs(part: Part, given: Border, first: bool) -> int:
    def trace(module: nn.Module, device: str) -> int:
        mode = CountingMode()
        run_pass(mode, module.train(), given.make(device).requires_grad_(not first), True, "fused")
        module.zero_grad(set_to_none=True)
        return mode.total.macs

    return _run(part, trace)[0]


@lru_cache(_REMEMBERED)
def _inference_trace(part: Part, given: Border, kernel: Kernel) -> InferenceTrace:
    return _run(part, lambda module, _: trace_inference_link(module, given, kernel))[0]


@lru_cache(_REMEMBERED)
def _training_trace(
    part: Part, given: Border, gradient: Border, kernel: Kernel, first: bool
) -> TrainingTrace:
    return _run(part, lambda module, _: trace_training_link(module, given, gradient, kernel, first=first))[0]


@lru_cache(_REMEMBERED)
def _optimizer_trace(part: Part, before: int) -> OptimizerTrace:
    return trace_optimizer(_module(part), before)
