"""The environment of worker processes, to be set before torch is imported. Imports no torch.

Threads that spin while they wait, and a malloc that gives pages back and takes them again, change measured
times by tens of percent, and not for all models alike.
"""

from __future__ import annotations

MALLOC = {
    # serve every tensor from the heap, and keep the heap: no page faults after the warm-up
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}


def worker_environment(threads: int = 1) -> dict[str, str]:
    """Variables that a worker process must be started with, so that it computes with `threads` threads.

    Raises `ValueError` for fewer than one thread.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        **MALLOC,
    }
