"""`memory`: predicted bytes by kind and attention kernel, and the measured peak beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, Strict

from ablate.layout.settings import Count, Model
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import AT, Device, Kernel, Mode, Modes, Pixels, Resolutions
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import MEBI, Quantity


class Memory(Model):
    """Predicted memory by kind, and measured memory beside it."""

    resolutions: Resolutions = Field(default=(), description=AT)
    modes: Modes = Field(
        default=("inference", "training"), description="Inference, one training step, or both."
    )
    batch: Count = Field(default=1, description="Images in a batch.")
    measured_up_to: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=512, description="Also measure the peak on the device, up to this resolution; 0: never."
    )
    device: Device = Field(default="auto", description="Where the peak is measured: cpu, cuda, cuda:1, auto.")


class MemoryCondition(Model):
    """One step of one batch with one attention kernel; only predicted where there is no `device`."""

    resolution: Pixels
    mode: Mode
    kernel: Kernel
    batch: Count = 1
    device: Device | None = None


@dataclass(frozen=True)
class Scratch:
    """What the operator that runs at the measured peak takes and gives back before it ends: memory of a
    kernel, in no tensor."""

    bytes: int = 0
    operator: str = ""  # as PyTorch names it: aten::convolution_backward
    module: str = ""  # path of the submodule that it belongs to


@dataclass(frozen=True)
class MeasuredMemory:
    """Measured bytes of one model, above its weights and its input.

    `peak`: the most alive at once, by what tensors asked for; in training it holds gradients and optimizer
    state. `scratch`: the part of the peak that a kernel took (CPU). `allocated_peak`: the peak by the
    allocator's blocks (CUDA). `saved_activations`: alive after the forward pass of a training step, output
    included. `gradients` and `optimizer` are 0 for inference.
    """

    peak: int
    scratch: Scratch | None = None
    allocated_peak: int | None = None
    saved_activations: int | None = None
    weights: int = 0
    gradients: int = 0
    optimizer: int = 0
    method: str = ""  # "profiler" or "allocator"
    device: str = ""


@dataclass(frozen=True)
class MemoryValues(Values):
    """Predicted bytes, and the peak measured on the device, or why there is none."""

    weights: int
    gradients: int
    optimizer: int
    saved_activations: int
    peak: int
    device_kernel: Kernel | None = None
    measured_peak: int | None = None
    not_measured: str = ""
    measured: MeasuredMemory | None = None


def _conditions(settings: Memory, scope: Scope) -> Iterator[MemoryCondition]:
    kernels: tuple[Kernel, ...] = ("fused", "math")
    for resolution in settings.resolutions or (scope.input.resolution,):
        device = settings.device if resolution <= settings.measured_up_to else None
        for mode in settings.modes:
            for kernel in kernels:
                yield MemoryCondition(
                    resolution=resolution, mode=mode, kernel=kernel, batch=settings.batch, device=device
                )


def _bytes(name: str, label: str, text: str, read: str = "", column: str = "") -> Quantity:
    return Quantity(
        name, label, "MiB", text, read or name, column=column or f"{name}_bytes", scale=MEBI, stored="bytes"
    )


QUANTITIES = (
    _bytes("weights", "Weights", "Bytes of parameters and buffers."),
    _bytes("gradients", "Gradients", "Bytes of the parameters' gradients."),
    _bytes("optimizer", "Optimizer", "Bytes of the optimizer's state."),
    _bytes(
        "saved", "Saved activations", "Bytes that the forward pass keeps for the backward pass.",
        "saved_activations", "saved_activations_bytes",
    ),
    _bytes(
        "peak", "Peak, predicted",
        "Most bytes alive at once above the weights and the input, predicted by following every storage; by "
        "kernel (fused: attention by a flash-like kernel, O(N); math: attention with its N x N matrix "
        "materialised).",
        "peak", "predicted_peak_bytes",
    ),
    _bytes(
        "measured_peak", "Peak, measured",
        "The same peak on the real device, with the same kernel: requested bytes on CUDA, the allocator's "
        "events on a CPU.",
    ),
    _bytes(
        "scratch", "Scratch at the peak",
        "The part of the measured peak that the operator running then takes from the allocator and gives "
        "back before it ends: memory of a kernel that no tensor holds and the prediction cannot see (CPU).",
        "measured.scratch.bytes",
    ),
)  # fmt: skip

MEMORY = register(
    Measurement(
        name="memory",
        title="memory",
        description="Bytes, by kind.",
        settings=Memory,
        condition=MemoryCondition,
        values=MemoryValues,
        quantities=QUANTITIES,
        runner="ablate.runners.memory:run",
        where="pool",
        conditions=_conditions,
    )
)
