"""What this machine is, and which kernels it takes: what a reader of times must know."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ablate.cost.operators.kernel import device_kernel
from ablate.layout.layout import Layout
from ablate.measurements.base import Progress, Task
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.provenance import package_version, processor_name


@dataclass(frozen=True)
class Machine:
    """Facts about the machine and PyTorch on it; `None` where the system does not say."""

    processor: str
    cores: int
    usable_cores: int
    free_memory: int | None
    devices: tuple[str, ...]
    torch: str | None
    attention_kernel: str  # that unmasked attention in float32 takes on the CPU
    bf16_products: bool  # whether oneDNN multiplies bfloat16 natively
    bf16_over_fp32_training_time: float  # of a small network's training step on the CPU, over that in float32
    governor: str | None
    boost: bool | None
    clocks: str | None  # of a CUDA device, now


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The facts, as plain data of `Machine`."""
    return asdict(machine())


def machine() -> Machine:
    """Look at the machine."""
    named = [processor_name()]
    cuda = torch.device("cuda") if torch.cuda.is_available() else None
    if cuda is not None:
        named += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        named.append("mps")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        usable_cores=usable,
        free_memory=devices.available_memory(torch.device("cpu")),
        devices=tuple(named),
        torch=package_version("torch"),
        attention_kernel=device_kernel(),
        bf16_products=bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()),
        bf16_over_fp32_training_time=bf16_training_time(),
        governor=_text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        boost=_boost(),
        clocks=None if cuda is None else devices.clocks(cuda),
    )


def bf16_training_time(pairs: int = 7) -> float:
    """The time of a training step in bfloat16 over that in float32, the median of ratios of steps in turn.

    The network is a small hybrid at 28 x 28 pixels, 64 images a step, in a worker of one thread. A processor
    that multiplies bfloat16 may still be slower with it, where casts cost more than products.
    """
    cpu = torch.device("cpu")
    layout = Layout(
        "alternate(conv(expand=2, kernel=3), key_only)",
        stem="overlap(stride=2)", widths=[32, 64], depths=[2, 2], head_dim=16, mlp_ratio=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net, images = layout.build(10, 1), torch.randn(64, 1, 28, 28)

        def seconds(precision: str) -> float:
            start = time.perf_counter()
            with devices.autocast(precision, cpu), training_kernels(precision, cpu):
                loss = net(images).float().square().mean()
            loss.backward()
            return time.perf_counter() - start

        seconds("bf16"), seconds("fp32")
        return round(median(seconds("bf16") / seconds("fp32") for _ in range(pairs)), 2)


def _boost() -> bool | None:
    """Whether the processor may raise its clock on its own."""
    no_turbo = _text(Path("/sys/devices/system/cpu/intel_pstate/no_turbo"))
    if no_turbo is not None:
        return no_turbo == "0"
    boost = _text(Path("/sys/devices/system/cpu/cpufreq/boost"))
    return None if boost is None else boost == "1"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
