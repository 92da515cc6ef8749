"""What this machine is, and which kernels it takes: what a reader of times must know."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ablate.cost.operators.kernel import device_kernel
from ablate.measurements.base import Progress, Task
from ablate.runners import device as devices
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
        governor=_text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        boost=_boost(),
        clocks=None if cuda is None else devices.clocks(cuda),
    )


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
