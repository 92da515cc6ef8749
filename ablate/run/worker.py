"""The child process that measures: one JSON job a line on stdin, JSON messages a line on stdout.

A message is `{"started": true}` when a job begins, `{"progress": fraction}` while it runs, and the job's
`{"status", "values", "reason"}` at its end. Whatever the libraries print goes to stderr. The parent fixes the
threads and the allocator's thresholds in the environment before this file imports torch. When stdin closes,
the parent is gone: the process ends at once, in the middle of a job too.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Serve jobs until stdin closes; does not return."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")

    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()

    from ablate.run.perform import perform

    while True:
        job = json.loads(jobs.get())
        send({"started": True})
        send(guarded(perform, job, lambda fraction: send({"progress": fraction})))


def _read(jobs: queue.SimpleQueue[str]) -> None:
    """Hand on what comes in; a thread of its own sees at any time that nothing more can come."""
    for line in sys.stdin:
        jobs.put(line)
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
        reason = str(error).strip().partition("\n")[0]
        return {"status": status, "values": {}, "reason": f"{type(error).__name__}: {reason}"}


if __name__ == "__main__":
    main()
