"""Memory of one link of a chain, traced alone and exactly as it is used in the chain.

A network is a chain x_i = f_i(x_{i-1}), run by a loop that holds the current x_{i-1} while f_i runs. The
links' lifetimes touch only at the borders, so a link can be traced alone when its borders behave as in the
chain:

* its input is the result of another autograd node (`_Source`), held by the caller during the forward pass
and by
  nobody but the link's own graph afterwards;
* its output is consumed by another node (`_Emit`), dropped by the caller, and its gradient arrives from
there with
  the layout it has in the chain.

Whether the link keeps its input or its output for the backward pass is not guessed: the storages are alive
after the references to them are gone, or they are not. `ablate.cost.memory.chain` puts the links together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import nn

from ablate.cost.memory.trace import (
    OptimizerFactory,
    adamw,
    cross_entropy,
    module_tensors,
    storage_bytes,
)
from ablate.cost.memory.tracker import StorageTracker
from ablate.cost.operators.batch_norm import single_values
from ablate.cost.operators.classes import tensors
from ablate.cost.operators.eager import eager
from ablate.cost.operators.kernel import Kernel, attention_kernel

Strides: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Border:
    """A tensor between two links: its sizes, its layout and the bytes of its storage."""

    size: tuple[int, ...]
    strides: Strides
    bytes: int
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Border:
        """The border that this tensor is."""
        return cls(tuple(tensor.shape), tensor.stride(), tensor.untyped_storage().nbytes(), tensor.dtype)

    def make(self, device: str = "meta") -> torch.Tensor:
        """Such a tensor (of zeros, on a real device): the same bytes behind it, also where it is a view."""
        tensor = torch.empty_strided(self.size, self.strides, device=device, dtype=self.dtype)
        if tensor.untyped_storage().nbytes() == self.bytes:
            return tensor.zero_() if device != "meta" else tensor
        flat = torch.zeros(self.bytes // self.dtype.itemsize, device=device, dtype=self.dtype)
        return flat.as_strided(self.size, self.strides)


@dataclass(frozen=True)
class InferenceTrace:
    """A forward pass without gradients, bytes. The peak leaves out the input and holds the output."""

    output: Border
    peak: int
    passes_input: bool  # the output is (a view of) the input


@dataclass(frozen=True)
class TrainingTrace:
    """Forward and backward pass of one link in training mode, bytes; weights are never included.

    `saved` leaves out the input and the output, which `saves_input` and `saves_output` speak of. The backward
    peaks hold the output's gradient and the link's own gradients; `backward_peak` counts the input while the
    link keeps it, `backward_peak_apart` never counts it.
    """

    output: Border
    forward_peak: int  # without the input
    saved: int
    saves_input: bool
    saves_output: bool
    backward_peak: int
    backward_peak_apart: int
    gradients: int  # of the weights, alive after the backward pass
    input_gradient: Border | None  # None where the input needs no gradient
    passes_input: bool


class _Source(torch.autograd.Function):
    """The node that the link's input comes from; it sees the gradient that the link sends back."""

    @staticmethod
    def forward(ctx: Any, token: torch.Tensor, border: Border, seen: list[Border]) -> torch.Tensor:
        ctx.seen = seen
        return border.make(token.device.type)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, None]:
        ctx.seen.append(Border.of(gradient))
        return None, None, None


class _Emit(torch.autograd.Function):
    """The node that consumes the link's output; it saves nothing and sends back a gradient of the given
    layout."""

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, gradient: Border) -> torch.Tensor:
        ctx.gradient, ctx.device = gradient, output.device.type
        return torch.empty((), device=output.device)

    @staticmethod
    def backward(ctx: Any, _: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.gradient.make(ctx.device), None


def trace_inference_link(link: nn.Module, given: Border, kernel: Kernel) -> InferenceTrace:
    """Trace a link, on `meta` or where its weights are, in evaluation mode for an input like `given`."""
    link.eval()
    x = given.make(_device(link))
    tracker = StorageTracker([*module_tensors(link), x])
    with torch.no_grad(), attention_kernel(kernel), eager(), tracker:
        out = link(x)
    return InferenceTrace(Border.of(out), tracker.peak, _same_storage(out, x))


def trace_training_link(
    link: nn.Module, given: Border, gradient: Border, kernel: Kernel, *, first: bool
) -> TrainingTrace:
    """Trace forward and backward pass of a link, on `meta` or where its weights are, in training mode.

    `gradient` is the gradient that arrives at the output. The input of the `first` link is the network's own:
    it needs no gradient and is nowhere counted.
    """
    link.train()
    seen: list[Border] = []
    device = _device(link)
    token = torch.zeros((), device=device, requires_grad=not first)
    seed = torch.zeros((), device=device)
    image = given.make(device)
    tracker = StorageTracker([*module_tensors(link), image])
    with torch.enable_grad(), attention_kernel(kernel), eager(), single_values(), tracker:
        x = image if first else _Source.apply(token, given, seen)
        entered, passed = tracker.set_apart(x), x.untyped_storage()._cdata
        out = link(x)
        forward_peak, output = tracker.peak_apart, Border.of(out)
        left = out.untyped_storage()._cdata
        anchor = _Emit.apply(out, gradient)
        tracker.exclude(anchor)
        del x, out
        kept = [tracker.bytes_of(entered), tracker.bytes_of(left)]
        saved = tracker.current - sum(kept)
        tracker.reset_peak()
        if anchor.requires_grad:
            torch.autograd.backward(anchor, seed)
    trace = TrainingTrace(
        output=output,
        forward_peak=forward_peak,
        saved=saved,
        saves_input=kept[0] > 0,
        saves_output=kept[1] > 0,
        backward_peak=tracker.peak,
        backward_peak_apart=tracker.peak_apart,
        gradients=tracker.current,
        input_gradient=seen[0] if seen else None,
        passes_input=passed == left,
    )
    link.zero_grad(set_to_none=True)
    return trace


@lru_cache(4096)
def trace_loss(given: Border) -> TrainingTrace:
    """The last link, the cross-entropy loss of logits like `given`; its output is the loss, held to the end.

    The backward pass starts here: the peaks hold the loss and the gradient of ones that PyTorch seeds it
    with.
    """
    seen: list[Border] = []
    token = torch.empty((), device="meta", requires_grad=True)
    target = torch.zeros(given.size[0], dtype=torch.long, device="meta")
    tracker = StorageTracker([target])
    with torch.enable_grad(), tracker:
        x = _Source.apply(token, given, seen)
        entered = tracker.set_apart(x)
        loss = cross_entropy(x, target)
        forward_peak, output = tracker.peak_apart, Border.of(loss)
        del x
        kept = tracker.bytes_of(entered)
        saved = tracker.current - kept - output.bytes
        tracker.reset_peak()
        torch.autograd.backward(loss)
    return TrainingTrace(
        output=output,
        forward_peak=forward_peak,
        saved=saved,
        saves_input=kept > 0,
        saves_output=True,
        backward_peak=tracker.peak,
        backward_peak_apart=tracker.peak_apart,
        gradients=0,
        input_gradient=seen[0],
        passes_input=False,
    )


@dataclass(frozen=True)
class OptimizerTrace:
    """Bytes of the optimizer's state for one link, and the most its step needs beside state and gradients.

    `last` is the number of elements of the link's last weight (0 if it has none): PyTorch's loop over the
    weights still holds that weight's intermediate result when it comes to the next link.
    """

    state: int
    step_peak: int
    last: int


def trace_optimizer(link: nn.Module, before: int = 0, optimizer: OptimizerFactory = adamw) -> OptimizerTrace:
    """Trace the second step of an optimizer on a link's weights; the first one makes the state.

    `before` is the `last` of the link before this one.
    """
    own = [weight for weight in link.parameters() if weight.requires_grad]
    if not own:
        return OptimizerTrace(0, 0, 0)
    weights = [nn.Parameter(torch.empty(before, device="meta"))] * bool(before) + own
    gradients = [torch.empty_like(weight) for weight in weights]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    stepper = optimizer(weights)
    tracker = StorageTracker([*weights, *gradients])
    with tracker:
        stepper.step()
        state = tracker.current
        tracker.reset_peak()
        stepper.step()
    link.zero_grad(set_to_none=True)
    return OptimizerTrace(
        storage_bytes(tensors([stepper.state[weight] for weight in own])),
        tracker.peak - state,
        own[-1].numel(),
    )


def _device(link: nn.Module) -> str:
    return next((tensor.device.type for tensor in module_tensors(link)), "meta")


def _same_storage(left: torch.Tensor, right: torch.Tensor) -> bool:
    return bool(left.untyped_storage()._cdata == right.untyped_storage()._cdata)
