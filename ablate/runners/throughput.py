"""Latency inside one fresh worker process: layouts interleaved in blocks of calls, raw samples kept.

One process gives no error bar: two processes of one model differ by far more than calls within one. Start
several (`ablate.runners.environment` says with which variables), and `combine` what they return.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.cost.layouts import layout_cost
from ablate.cost.operators.kernel import device_kernel
from ablate.errors import AblateError
from ablate.measurements.base import Progress, Task
from ablate.measurements.throughput import ThroughputCondition
from ablate.measurements.values import Failure, Part
from ablate.runners import device as devices
from ablate.runners.failure import failure_of
from ablate.runners.latency import ProcessSamples
from ablate.runners.provenance import CpuTime, load_average

MOST_IMAGES = 4096
TimeBlock = Callable[[Callable[[], object], int, torch.device], list[float]]


def run(task: Task[ThroughputCondition], progress: Progress) -> Part:
    """One process's samples of all layouts, interleaved; one that cannot be built is named as failed."""
    models: dict[str, nn.Module] = {}
    failed: dict[str, Failure] = {}
    for name, layout in task.layouts.items():
        try:
            models[name] = layout.build(
                task.classes,
                task.channels,
                resolution=task.condition.resolution,
                deploy=task.condition.deploy and task.condition.mode == "inference",
            )
        except Exception as error:  # one layout's failure never ends the measurement of the others
            failed[name] = failure_of(error)
    condition = task.condition
    if condition.batch == "largest":
        condition = condition.model_copy(update={"batch": common_batch(task)})
    samples = measure_process(
        models, condition, channels=task.channels, process=task.process, on_round=progress
    )
    return Part(failed | samples.failed, samples.to_json())


def common_batch(task: Task[ThroughputCondition]) -> int:
    """The largest power of two of images whose predicted bytes fit into four fifths of the device's free
    memory, for every layout of the task; 1 at least, 4096 at most. A layout that cannot be counted is left
    out of this."""
    condition = task.condition
    size = {"channels": task.channels, "classes": task.classes}
    room = devices.available_memory(devices.resolve(condition.device))
    batch = 1
    while room is not None and batch < MOST_IMAGES:
        for layout in task.layouts.values():
            with contextlib.suppress(AblateError, RuntimeError):
                cost = layout_cost(layout, condition.resolution, **size, batch=2 * batch)
                memory = cost.memory_of(device_kernel())
                peak = memory.training_peak if condition.mode == "training" else memory.inference_peak
                if memory.weights + peak > 0.8 * room:
                    return batch
        batch *= 2
    return batch


def images_of(condition: ThroughputCondition) -> int:
    """The images of a batch, once it is known."""
    assert isinstance(condition.batch, int), "the largest batch is looked for first"
    return condition.batch


def measure_process(
    models: Mapping[str, nn.Module],
    condition: ThroughputCondition,
    *,
    channels: int = 3,
    process: int = 0,
    on_round: Callable[[float], None] | None = None,
    time_block: TimeBlock = devices.time_block,
) -> ProcessSamples:
    """Time the models of one process against each other.

    After the warm-up come rounds, each in the order A B ... B A, a block of calls at a time, so that a drift
    of the machine's speed within a round acts on all layouts alike. `process` turns the order, so that each
    layout is at the ends in some process. A model that fails in its warm-up or later (out of memory, ...) is
    left out from there on and named in `.failed`; the others go on. `on_round` gets the fraction done, 0..1.
    """
    device = devices.resolve(condition.device)
    devices.pin_threads(condition.threads)
    names = list(models)
    start = process % max(1, len(names))
    names = names[start:] + names[:start]
    load, clocks = load_average(), devices.clocks(device)
    before = CpuTime.now()
    failed: dict[str, Failure] = {}
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        try:
            calls[name] = prepare(models[name], condition, channels)
            for _ in range(max(1, condition.warmup)):
                calls[name]()
            devices.synchronize(device)
        except Exception as error:  # one layout's failure never ends the measurement of the others
            calls.pop(name, None)
            failed[name] = failure_of(error)
    rounds: list[dict[str, list[float]]] = []
    begun, budget = time.perf_counter(), condition.seconds * len(calls)
    while calls:
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for name in [*calls, *reversed(list(calls))]:
            if name in failed:
                continue
            try:
                samples[name] += time_block(calls[name], condition.block, device)[condition.dropped :]
            except Exception as error:
                failed[name] = failure_of(error)
        calls = {name: call for name, call in calls.items() if name not in failed}
        rounds.append({name: seconds for name, seconds in samples.items() if name in calls})
        spent = time.perf_counter() - begun
        done = min(len(rounds) / condition.rounds, spent / budget if budget > 0 else 1.0)
        if on_round is not None:
            on_round(min(1.0, done))
        if done >= 1:
            break
    kept = [{name: entry[name] for name in calls} for entry in rounds]
    return ProcessSamples(
        batch=images_of(condition),
        rounds=kept if calls else [],
        failed=failed,
        load_before=load,
        load_after=load_average(),
        others=before.others_until(CpuTime.now()),
        clocks_before=clocks,
        clocks_after=devices.clocks(device),
        device=devices.name_of(device),
    )


def prepare(model: nn.Module, condition: ThroughputCondition, channels: int = 3) -> Callable[[], object]:
    """One call to be timed: the model on the device in the condition's format, on one fixed batch of
    noise."""
    device = devices.resolve(condition.device)
    layout = torch.channels_last if condition.channels_last else torch.contiguous_format
    model = model.to(device=device).to(memory_format=layout)
    size = (images_of(condition), channels, condition.resolution, condition.resolution)
    noise = torch.randn(size, generator=torch.Generator().manual_seed(0))
    images = noise.to(device).contiguous(memory_format=layout)
    training = condition.mode == "training"
    model = model.train(training)
    network = torch.compile(model) if condition.compile else model
    return (
        _training_call(model, network, images, condition)
        if training
        else _inference_call(network, images, condition)
    )


def _inference_call(network: Any, images: Tensor, condition: ThroughputCondition) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode(), devices.autocast(condition.precision, images.device):
            return network(images)

    return call


def _training_call(
    model: nn.Module, network: Any, images: Tensor, condition: ThroughputCondition
) -> Callable[[], object]:
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    # a tiny rate: the same work as any other, and the weights stay where they are
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-9)

    def call() -> object:
        optimizer.zero_grad(set_to_none=True)
        with devices.autocast(condition.precision, images.device):
            loss = F.cross_entropy(network(images).float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    return call


@dataclass(frozen=True)
class LargestBatch:
    """The largest batch that ran, and whether the search ended at its own limit, not at the memory's."""

    batch: int
    limited: bool
    tried: dict[int, bool] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)


def largest_batch(
    build: Callable[[], nn.Module],
    condition: ThroughputCondition,
    *,
    channels: int = 3,
    limit: int = 65536,
    runs: Callable[[int], bool] | None = None,
) -> LargestBatch:
    """The largest batch that one call takes without running out of memory: by doubling, then by halving the
    gap.

    0 when not even one image fits. On a CPU the system may end the process before the allocator refuses: run
    it in a worker of its own. `runs` replaces the trial.
    """
    fits = runs or (lambda batch: _fits(build, condition, batch, channels))
    tried: dict[int, bool] = {}

    def attempt(batch: int) -> bool:
        tried[batch] = fits(batch)
        return tried[batch]

    good, bad = 0, 1
    while bad <= limit and attempt(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, limit + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if attempt(middle) else (good, middle)
    return LargestBatch(good, limited=good == limit, tried=tried)


def _fits(build: Callable[[], nn.Module], condition: ThroughputCondition, batch: int, channels: int) -> bool:
    device = devices.resolve(condition.device)
    try:
        call = prepare(build(), condition.model_copy(update={"batch": batch}), channels)
        for _ in range(2):  # the second finds the optimizer's state in place
            call()
        devices.synchronize(device)
    except Exception as error:
        if not devices.out_of_memory(error):
            raise
        return False
    finally:
        devices.release_memory(device)
    return True
