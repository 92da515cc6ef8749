"""The roofline: the least time that a machine's arithmetic and memory allow, against which measured time is
read.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", 2009. A part that does M
MACs and moves B bytes takes at least max(M / P, B / W) with the machine's peak P in MACs and W in bytes a
second. Parts run one after the other, so a layout takes at least the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from ablate.cost.count import Tally
from ablate.cost.layouts import LayoutCost


@dataclass(frozen=True)
class MachinePeak:
    """What a machine can do: measured, not looked up."""

    macs_per_second: float
    bytes_per_second: float
    device: str
    threads: int

    @property
    def balance(self) -> float:
        """MACs per byte from which on the arithmetic is the limit, not the memory."""
        return self.macs_per_second / self.bytes_per_second


def arithmetic_intensity(work: Tally | LayoutCost) -> float:
    """MACs per byte read and written."""
    return work.macs / work.bytes if work.bytes else 0.0


@cache
def machine_peak(device: str = "cpu") -> MachinePeak:
    """Measure this machine in about half a second: a large matrix product, and copies larger than the caches.

    float32, with the threads that PyTorch has now; remembered for the process. A busy machine gives less.
    """
    n, elements = 1024, 1 << 25
    a, b, out = (torch.ones(n, n, device=device) for _ in range(3))
    source, target = torch.ones(elements, device=device), torch.empty(elements, device=device)
    seconds_product = _seconds(lambda: torch.mm(a, b, out=out), device)
    seconds_copy = _seconds(lambda: target.copy_(source), device)
    return MachinePeak(
        macs_per_second=n**3 / seconds_product,
        bytes_per_second=2 * elements * source.element_size() / seconds_copy,
        device=device,
        threads=torch.get_num_threads(),
    )


def _seconds(work: Callable[[], object], device: str, repeats: int = 9) -> float:
    """The shortest time of one call: a peak is what the machine can do, and what disturbs it adds time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def roofline_seconds(cost: LayoutCost, peak: MachinePeak | None = None) -> float:
    """The least time of a forward pass, in seconds: the sum of its parts' (of a timm model: its children's).

    Without `peak` this machine's is measured. Element-wise work counts through the bytes it moves.
    """
    limits = peak or machine_peak()
    rows = cost.block_rows or cost.stage_rows
    return sum(
        max(row.work.macs / limits.macs_per_second, row.work.bytes / limits.bytes_per_second) for row in rows
    )
