"""Memory of a whole module, in bytes, from a run under the storage tracker: on `meta` a prediction, on a CPU
a check.

All quantities are bytes of storages, above the weights and the input:

* `inference_peak`: the most that is alive at once in a forward pass without gradients, output included;
* `saved_activations`: alive after the forward pass of a training step, output included, for the backward
pass; * `training_peak`: the most that is alive at once in a training step (forward, cross-entropy loss,
backward, optimizer
  step) in the steady state, gradients and optimizer state included. Gradients start as None in every step.

Memory that a kernel uses inside one operator and the rounding of an allocator are not part of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

from ablate.cost.memory.tracker import StorageTracker
from ablate.cost.operators.batch_norm import single_values
from ablate.cost.operators.eager import eager
from ablate.cost.operators.kernel import Kernel, attention_kernel
from ablate.cost.operators.within import tensors_within

OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

adamw: OptimizerFactory = partial(torch.optim.AdamW, foreach=False)
"""The default optimizer: AdamW, one parameter after the other. Two moments and a step counter per
parameter."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one module with one attention kernel; see the module's docstring."""

    weights: int  # parameters and buffers
    gradients: int
    optimizer: int  # its state
    inference_peak: int
    saved_activations: int
    training_peak: int


def storage_bytes(items: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages of some tensors, each storage once."""
    return sum({st._cdata: st.nbytes() for st in (tensor.untyped_storage() for tensor in items)}.values())


def module_tensors(module: nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers: the weights."""
    return [*module.parameters(), *module.buffers()]


def trace_memory(
    module: nn.Module,
    image: torch.Tensor,
    kernel: Kernel = "fused",
    optimizer: OptimizerFactory = adamw,
) -> Memory:
    """Run a module for inference and for two training steps on its device and follow its memory.

    `image` is (B, channels, H, W); the loss is the cross-entropy of logits (B, classes), wherever in the
    output they are, and the mean of what is no logits. On `meta` nothing is computed. The module is used up:
    on a real device its weights are trained, and it is left in training mode.
    """
    weights = module_tensors(module)
    target = torch.zeros(len(image), dtype=torch.long, device=image.device)
    inference_peak = trace_inference(module, image, kernel)
    module.train()
    stepper = optimizer(module.parameters())
    tracker = StorageTracker([*weights, image, target])
    for _ in range(2):  # the second step finds the optimizer's state in place
        stepper.zero_grad(set_to_none=True)
        tracker.reset_peak()
        state = tracker.current
        with torch.enable_grad(), attention_kernel(kernel), eager(), single_values(), tracker:
            saved, loss = _forward_backward(module, image, target, tracker)
            stepper.step()
            del loss  # a training loop holds it until here
    gradients = storage_bytes(p.grad for p in module.parameters() if p.grad is not None)
    stepper.zero_grad(set_to_none=True)
    return Memory(storage_bytes(weights), gradients, state, inference_peak, saved - state, tracker.peak)


def trace_inference(module: nn.Module, image: torch.Tensor, kernel: Kernel) -> int:
    """Peak bytes of a forward pass without gradients, in evaluation mode, above weights and input."""
    module.eval()
    tracker = StorageTracker([*module_tensors(module), image])
    with torch.no_grad(), attention_kernel(kernel), eager(), tracker:
        out = module(image)
        del out
    return tracker.peak


def _forward_backward(
    module: nn.Module, image: torch.Tensor, target: torch.Tensor, tracker: StorageTracker
) -> tuple[int, torch.Tensor]:
    out = module(image)
    saved = tracker.current
    loss = cross_entropy(out, target)
    del out
    torch.autograd.backward(loss)
    return saved, loss


def cross_entropy(out: Any, target: torch.Tensor) -> torch.Tensor:
    """The loss of a training step: of logits (B, classes), or the sum over several outputs.

    What is no logits (feature maps, for example) enters by its mean.
    """
    losses = [
        F.cross_entropy(end, target) if end.dim() == 2 and len(end) == len(target) else end.mean()
        for end in tensors_within(out)
        if end.is_floating_point()
    ]
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()
