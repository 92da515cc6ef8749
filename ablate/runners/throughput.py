"""Latency inside one fresh worker process: layouts interleaved in blocks of calls, raw samples kept.

One process gives no error bar: two processes of one model differ by far more than calls within one. Start
several (`ablate.runners.environment` says with which variables), and `combine` what they return.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.errors import AblateError
from ablate.runners import device as devices
from ablate.runners.latency import ProcessSamples, ThroughputResult, combine
from ablate.runners.provenance import CpuTime, load_average

__all__ = [
    "ProcessSamples",
    "ThroughputCondition",
    "ThroughputResult",
    "combine",
    "largest_batch",
    "measure_process",
    "prepare",
]

TimeBlock = Callable[[Callable[[], object], int, torch.device], list[float]]


@dataclass(frozen=True)
class ThroughputCondition:
    """What is timed, and for how long. One sample is one call on a batch of `batch` images.

    `mode` is `inference` (evaluation mode, no gradients) or `training` (one step: forward, cross-entropy,
    backward, AdamW). Measuring stops when both `rounds` rounds and `seconds` seconds for each layout are
    done.
    """

    resolution: int
    batch: int = 32
    precision: str = "fp32"
    mode: str = "inference"
    channels: int = 3
    threads: int = 1
    compile: bool = False
    channels_last: bool = True
    device: str = "cpu"
    processes: int = 5  # fresh processes that the parent starts; this module runs inside one of them
    rounds: int = 3
    seconds: float = 1.0
    warmup: int = 5
    block: int = 8  # calls in a row of one layout
    dropped: int = 2  # of them, at the block's start

    def __post_init__(self) -> None:
        if self.mode not in ("inference", "training"):
            raise AblateError(f"unknown mode {self.mode!r}; known: inference, training")
        if self.precision not in ("fp32", "bf16"):
            raise AblateError(f"unknown precision {self.precision!r}; known: fp32, bf16")
        if min(self.resolution, self.batch, self.rounds, self.threads, self.processes) < 1 or self.warmup < 0:
            raise AblateError("resolution, batch, rounds, threads and processes must be at least 1")
        if not 0 <= self.dropped < self.block:
            raise AblateError(f"cannot drop {self.dropped} calls of a block of {self.block}")


def measure_process(
    models: Mapping[str, nn.Module],
    condition: ThroughputCondition,
    *,
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
    failed: dict[str, str] = {}
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        try:
            calls[name] = prepare(models[name], condition)
            for _ in range(max(1, condition.warmup)):
                calls[name]()
            devices.synchronize(device)
        except Exception as error:  # one layout's failure never ends the measurement of the others
            calls.pop(name, None)
            failed[name] = reason(error)
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
                failed[name] = reason(error)
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
        batch=condition.batch,
        rounds=kept if calls else [],
        failed=failed,
        load_before=load,
        load_after=load_average(),
        others=before.others_until(CpuTime.now()),
        clocks_before=clocks,
        clocks_after=devices.clocks(device),
        device=devices.name_of(device),
    )


def reason(error: BaseException) -> str:
    """One line about an exception, `oom: ...` when memory was full."""
    line = str(error).strip().partition("\n")[0]
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return f"oom: {text}" if devices.out_of_memory(error) else text


def prepare(model: nn.Module, condition: ThroughputCondition) -> Callable[[], object]:
    """One call to be timed: the model on the device in the condition's format, on one fixed batch of
    noise."""
    device = devices.resolve(condition.device)
    layout = torch.channels_last if condition.channels_last else torch.contiguous_format
    model = model.to(device=device).to(memory_format=layout)
    size = (condition.batch, condition.channels, condition.resolution, condition.resolution)
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
    limit: int = 65536,
    runs: Callable[[int], bool] | None = None,
) -> LargestBatch:
    """The largest batch that one call takes without running out of memory: by doubling, then by halving the
    gap.

    0 when not even one image fits. On a CPU the system may end the process before the allocator refuses: run
    it in a worker of its own. `runs` replaces the trial.
    """
    fits = runs or (lambda batch: _fits(build, condition, batch))
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


def _fits(build: Callable[[], nn.Module], condition: ThroughputCondition, batch: int) -> bool:
    device = devices.resolve(condition.device)
    try:
        call = prepare(build(), replace(condition, batch=batch))
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
