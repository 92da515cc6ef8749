"""The child process that measures: one JSON job a line on stdin, JSON messages a line on stdout.

A message is `{"started": true}` when a job begins, `{"progress": fraction}` while it runs, and the job's
`{"status", "values", "reason"}` at its end. Whatever the libraries print goes to stderr. The parent fixes the
threads and the allocator's thresholds in the environment before this file imports torch. When stdin closes,
the parent is gone: the process ends at once, in the middle of a job too, with all that the job started.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import threading
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Serve jobs until stdin closes; does not return."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    source = os.dup(0)  # jobs are for this process alone: whatever a job starts finds an empty stdin
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")

    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, jobs), daemon=True).start()

    from ablate.run.perform import perform

    while True:
        job = json.loads(jobs.get())
        send({"started": True})
        send(guarded(perform, job, lambda fraction: send({"progress": fraction})))


def _read(source: int, jobs: queue.SimpleQueue[str]) -> None:
    """Hand on what comes in; a thread of its own sees at any time that nothing more can come.

    It reads the bare descriptor: a thread that waits in `sys.stdin` holds that file's lock, and a process
    forked meanwhile (a `DataLoader`'s) would wait for the lock for ever.
    """
    rest = b""
    while received := os.read(source, 1 << 16):
        *lines, rest = (rest + received).split(b"\n")
        for line in lines:
            jobs.put(line.decode())
    if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
        os.killpg(
            0, signal.SIGKILL
        )  # this process, and what it started, in the group that the driver gave it
    os._exit(0)


def guarded(
    perform: Callable[[dict[str, Any], Callable[[float], None]], dict[str, Any]],
    job: dict[str, Any],
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Run a job; an exception becomes a failed outcome with its reason: `oom`, `diverged` or `error`."""
    from ablate.runners.accuracy import Diverged
    from ablate.runners.device import out_of_memory

    try:
        return {"status": "done", "values": perform(job, progress), "reason": ""}
    except Diverged as error:
        return {"status": "diverged", "values": {}, "reason": str(error)}
    except Exception as error:
        status = "oom" if out_of_memory(error) else "error"
        return {"status": status, "values": {}, "reason": _reason(error)}


def _reason(error: Exception) -> str:
    """An error in one line: of what a `DataLoader` has caught in a process of its own, the line that the
    traceback ends with."""
    text = str(error).strip()
    if text.startswith("Caught ") and "Original Traceback" in text:
        _, _, frames = text.rpartition("Traceback (most recent call last):\n")
        raised = re.search(r"^(?:\w+\.)*(\w+(?:: .*)?)$", frames, re.MULTILINE)
        if raised:
            return raised[1]
    return f"{type(error).__name__}: {text.partition(chr(10))[0]}"


if __name__ == "__main__":
    main()
