"""The seam to the device: synchronising, timing, memory counters, names. Everything CUDA or MPS is here."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ablate.errors import AblateError
from ablate.runners.provenance import processor_name


def resolve(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA, else MPS, else the CPU. `AblateError` when it is absent."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise AblateError(f"unknown device {name!r}; known: auto, cpu, cuda, cuda:N, mps") from error
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(device.type, False):
        raise AblateError(f"device {name!r} is not on this machine")
    return device


def name_of(device: torch.device) -> str:
    """What the device calls itself: the GPU's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()} ({device.type})" if device.type == "mps" else processor_name()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all its work. On a CPU there is nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def pin_threads(threads: int) -> None:
    """Compute with that many threads in this process; the environment should have said so before."""
    torch.set_num_threads(threads)


def time_block(call: Callable[[], object], calls: int, device: torch.device) -> list[float]:
    """Seconds of each of `calls` calls in a row, with the device idle before the first and after the last.

    On CUDA by events, so that the queue stays full between calls; elsewhere by the clock around each call.
    """
    synchronize(device)
    if device.type == "cuda":
        return _time_block_cuda(call, calls, device)
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return seconds


def _time_block_cuda(call: Callable[[], object], calls: int, device: torch.device) -> list[float]:
    marks: list[Any] = [torch.cuda.Event(enable_timing=True) for _ in range(calls + 1)]  # type: ignore[no-untyped-call]
    with torch.cuda.device(device):
        marks[0].record()
        for mark in marks[1:]:
            call()
            mark.record()
    synchronize(device)
    return [first.elapsed_time(second) / 1000 for first, second in pairwise(marks)]  # from milliseconds


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory is full; the CPU's allocator raises a plain `RuntimeError`."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )


def available_memory(device: torch.device) -> int | None:
    """Bytes that are free on the device, or that the system could give; `None` if it cannot tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kibibytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return 1024 * kibibytes["MemAvailable"]


def clocks(device: torch.device) -> str | None:
    """SM and memory clock of a CUDA device, as `1410 MHz, 1593 MHz`; `None` where nvidia-smi is not."""
    if device.type != "cuda" or shutil.which("nvidia-smi") is None:
        return None
    try:
        done = subprocess.run(
            [
                "nvidia-smi",
                f"--id={device.index or 0}",
                "--query-gpu=clocks.sm,clocks.mem",
                "--format=csv,noheader",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


@contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """`bf16`: matmuls and convolutions in bfloat16, weights stay float32. `fp32`: no change."""
    if precision not in ("fp32", "bf16"):
        raise AblateError(f"unknown precision {precision!r}; known: fp32, bf16")
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


def release_memory(device: torch.device) -> None:
    """Give unused cached memory back, so that one trial does not weigh on the next."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
