"""Memory of a real run on the device, beside the prediction of `ablate.cost.memory` and by its definitions.

On CUDA the caching allocator's own counters: *requested* bytes, which are what tensors asked for, and
*allocated* bytes, which are rounded up to blocks. On a CPU the profiler's record of every allocation and
release of PyTorch's allocator. Neither is the size of the process: a library's private buffers (oneDNN's
packed weights and scratch, cuBLAS's workspaces outside the allocator) are in no tensor and not seen. What is
seen here and is not in the prediction is memory that a kernel takes from the allocator and gives back within
one operator: its *scratch*, told apart on a CPU by `ablate.runners.allocations`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ablate.cost.layouts import layout_cost
from ablate.cost.memory.trace import adamw, cross_entropy, module_tensors, storage_bytes
from ablate.cost.operators.kernel import Kernel, attention_kernel, device_kernel
from ablate.errors import AblateError
from ablate.measurements.base import Progress, Task
from ablate.measurements.memory import MeasuredMemory, MemoryCondition, MemoryValues
from ablate.runners import device as devices
from ablate.runners.allocations import Reading, meter


def run(task: Task[MemoryCondition], progress: Progress) -> MemoryValues:
    """Predicted memory, and beside it a measured peak where the condition names a device that has room."""
    condition, layout = task.condition, task.layout
    cost = layout_cost(
        layout, condition.resolution, channels=task.channels, classes=task.classes, batch=condition.batch
    )
    predicted = cost.memory_of(condition.kernel)
    training = condition.mode == "training"
    values = MemoryValues(
        weights=predicted.weights,
        gradients=predicted.gradients if training else 0,
        optimizer=predicted.optimizer if training else 0,
        saved_activations=predicted.saved_activations if training else 0,
        peak=predicted.training_peak if training else predicted.inference_peak,
        device_kernel=device_kernel(),
        not_measured="the condition asks for none",
    )
    if condition.device is None:
        return values
    needed = values.weights + values.peak
    room = devices.available_memory(devices.resolve(condition.device))
    if room is not None and needed > 0.8 * room:
        return replace(values, not_measured=f"needs {needed:,} bytes of the {room:,} that are free")
    measured = measure_memory(
        layout.build(task.classes, task.channels, resolution=condition.resolution),
        condition.resolution,
        channels=task.channels,
        batch=condition.batch,
        mode=condition.mode,
        kernel=condition.kernel,
        device=condition.device,
    )
    return replace(values, measured_peak=measured.peak, not_measured="", measured=measured)


def measure_memory(
    model: nn.Module,
    resolution: int,
    *,
    channels: int = 3,
    batch: int = 1,
    mode: str = "inference",
    kernel: Kernel = "fused",
    precision: str = "fp32",
    device: str = "cpu",
) -> MeasuredMemory:
    """Run a model, once to warm up and once to measure, with attention pinned to `kernel`.

    `mode` is `inference` (a forward pass without gradients) or `training` (a step in the steady state:
    forward, cross-entropy, backward, AdamW). The model moves to the device and, for training, its weights
    change. Raises `AblateError` for a device other than a CPU or CUDA, an unknown mode or precision.
    """
    place = devices.resolve(device)
    if place.type not in ("cpu", "cuda"):
        raise AblateError(f"memory is measured on cpu and cuda, not on {place.type}")
    if mode not in ("inference", "training"):
        raise AblateError(f"unknown mode {mode!r}; known: inference, training")
    model = model.to(place)
    images = torch.randn(batch, channels, resolution, resolution, device=place)
    measure = _inference if mode == "inference" else _training
    with attention_kernel(kernel):
        return measure(model, images, precision)


def _inference(model: nn.Module, images: Tensor, precision: str) -> MeasuredMemory:
    model.eval()

    def run() -> Any:
        with torch.no_grad(), devices.autocast(precision, images.device):
            return model(images)

    run()
    reading = _read(run, model, images.device)
    return _result(model, reading, None, 0, 0, images.device)


def _training(model: nn.Module, images: Tensor, precision: str) -> MeasuredMemory:
    model.train()
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    optimizer = adamw(model.parameters())

    def forward() -> Any:
        with devices.autocast(precision, images.device):
            return model(images)

    def step() -> None:
        loss = cross_entropy(forward(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    step()
    gradients = storage_bytes(p.grad for p in model.parameters() if p.grad is not None)
    state = storage_bytes(
        value for entry in optimizer.state.values() for value in entry.values() if isinstance(value, Tensor)
    )
    optimizer.zero_grad(set_to_none=True)
    saved = _read(forward, model, images.device).end
    reading = _read(step, model, images.device)
    optimizer.zero_grad(set_to_none=True)
    # the optimizer's state was there before the step, but belongs to its peak
    reading.peak += state
    if reading.allocated_peak is not None:
        reading.allocated_peak += state
    return _result(model, reading, saved, gradients, state, images.device)


def _result(
    model: nn.Module, reading: Reading, saved: int | None, gradients: int, state: int, device: torch.device
) -> MeasuredMemory:
    return MeasuredMemory(
        peak=reading.peak,
        scratch=reading.scratch,
        allocated_peak=reading.allocated_peak,
        saved_activations=saved,
        weights=storage_bytes(module_tensors(model)),
        gradients=gradients,
        optimizer=state,
        method="profiler" if device.type == "cpu" else "allocator",
        device=devices.name_of(device),
    )


def _read(run: Callable[[], Any], model: nn.Module, device: torch.device) -> Reading:
    """Run under the device's meter; what `run` returns is alive until the reading is taken."""
    collecting = gc.isenabled()
    gc.disable()  # garbage from before that is found meanwhile would count as released
    try:
        with meter(model, device) as reading:
            kept = run()
            devices.synchronize(device)
    finally:
        if collecting:
            gc.enable()
    del kept
    return reading
