"""The processes that code in a cell has left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any


def adopt_orphans() -> None:
    """Become the parent of what a child leaves behind, so that it can be found (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def strays() -> tuple[int, ...]:
    """Child processes of this one, other than the helpers of `multiprocessing`; none where /proc is not."""
    usual = set(_helpers())
    pids: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            pids += [int(pid) for pid in task.read_text().split()]
    alive = []
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:  # it has ended, and nobody had waited for it
                continue
        if pid not in usual:
            alive.append(pid)
    return tuple(alive)


def end_strays() -> int:
    """End them; how many there were."""
    pids = strays()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def _helpers() -> list[int]:
    from multiprocessing import forkserver

    helpers: list[Any] = [
        getattr(resource_tracker._resource_tracker, "_pid", None),
        getattr(forkserver._forkserver, "_forkserver_pid", None),
    ]
    return [int(pid) for pid in helpers if pid]
