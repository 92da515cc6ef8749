"""The child process that measures.

As a server (`--channel FD`): one JSON job a line on stdin, one JSON message a line on the channel. Every
message names the job and the process that it comes from: `ready`, `started`, `progress` with a fraction, and
`done` with the outcome. As a command (`--job FILE --out FILE`): one job from a file, its outcome to a file.

Whatever the libraries print goes to stderr. The parent fixes the threads and the allocator's thresholds in
the environment before this file imports torch. When stdin closes, the parent is gone: the process ends at
once with all of its children, in the middle of a job too.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate.run.outbox import leave
from ablate.run.records import Job, Outcome, failed


class Channel:
    """The way back to the driver; a process that this one forks has none."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.pid = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._mute)

    def _mute(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.descriptor)
        os.close(null)

    def send(self, message: dict[str, Any]) -> None:
        """One message, in one write where the system allows it."""
        data = (json.dumps(message | {"pid": self.pid}) + "\n").encode()
        while data:
            data = data[os.write(self.descriptor, data) :]


def serve(channel: Channel) -> None:
    """Serve jobs until stdin closes; does not return."""
    source = os.dup(0)  # jobs are for this process alone: whatever a job starts finds an empty stdin
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, jobs), daemon=True).start()

    from ablate.run.children import adopt_orphans, end_strays
    from ablate.run.global_state import changes, global_state
    from ablate.run.perform import perform  # noqa: F401  (torch and the blocks are loaded before the first job)

    adopt_orphans()
    usual = global_state()
    channel.send({"type": "ready"})
    while True:
        job = Job.from_json(json.loads(jobs.get()))
        channel.send({"type": "started", "job": job.id})
        outcome = outcome_of(job, channel)
        if os.getpid() != channel.pid:  # a process that the job forked came back out of it
            os._exit(0)
        changed = changes(usual, global_state())
        left_behind = end_strays()
        if left_behind:
            changed = (*changed, f"child processes from 0 to {left_behind}, which were ended")
        if changed:
            note = f"the cell changed the process's {'; '.join(changed)}; later cells ran in a new process"
            outcome = replace(outcome, notes=(*outcome.notes, note))
        leave(job, outcome)
        message = {"type": "done", "job": job.id, "outcome": outcome.to_json(), "spoilt": bool(changed)}
        channel.send(message)


def outcome_of(job: Job, channel: Channel | None = None) -> Outcome:
    """Run a job; whatever it raises becomes a failed outcome."""
    from ablate.run.perform import perform

    def progress(fraction: float) -> None:
        if channel is not None:
            channel.send({"type": "progress", "job": job.id, "fraction": float(fraction)})

    start = time.perf_counter()
    came = guarded(perform, job, progress)
    more: dict[str, Any] = {"seconds": time.perf_counter() - start, "host": socket.gethostname()}
    more["device"] = _device(job)
    if came["status"] == "done":
        return Outcome(came["values"], **more)
    return failed(came["status"], came["reason"], **more)


def _device(job: Job) -> str:
    """What the device that a job ran on calls itself; empty where it cannot be told."""
    from ablate.errors import AblateError
    from ablate.runners.device import name_of, resolve
    from ablate.runners.provenance import processor_name

    try:
        device = job.condition.get("device")
        return processor_name() if device is None else name_of(resolve(str(device)))
    except (AblateError, RuntimeError, ValueError):
        return ""


def guarded(
    perform: Callable[[Any, Callable[[float], None]], dict[str, Any]],
    job: Any,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Run a job: `status`, `values` that JSON can hold, and the `reason` of one that raised."""
    try:
        values = perform(job, progress)
        json.dumps(values)
        return {"status": "done", "values": values, "reason": ""}
    except Exception as error:
        from ablate.runners.failure import failure_of

        failure = failure_of(error)
        return {"status": failure.status, "values": {}, "reason": failure.reason}


def _read(source: int, jobs: queue.SimpleQueue[str]) -> None:
    """Hand on what comes in; a thread of its own sees at any time that nothing more can come.

    It reads the descriptor itself: a lock on `sys.stdin` would be held for ever in a process that is forked
    meanwhile.
    """
    pending = b""
    while True:
        part = os.read(source, 1 << 16)
        if not part:
            end_everything()
        *lines, pending = (pending + part).split(b"\n")
        for line in lines:
            jobs.put(line.decode())


def end_everything() -> None:
    """End this process and all that it started; the driver made it the leader of a group of its own."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def run_file(job_file: Path, out: Path, timeout: float | None = None) -> None:
    """Run the job of a file and leave its outcome in another, which is there whole or not at all.

    The job runs in a process of its own (a group in several), on this host: a crash and a time-out, in
    seconds a cell, are outcomes too.
    """
    job = Job.from_json(json.loads(job_file.read_text(encoding="utf-8")))
    if leave(job, supervised(job, timeout), out) is None:
        sys.exit(f"cannot write {out}")


def supervised(job: Job, timeout: float | None = None) -> Outcome:
    """The outcome of a job in processes of its own on this host, with the time limit of a cell in seconds."""
    from ablate.run.executors.base import Setup
    from ablate.run.executors.local import LocalExecutor

    with LocalExecutor(Setup(workers=1, timeout=timeout)) as executor:
        ((_, outcome),) = executor.run([job])
    return outcome


def main() -> None:
    """Serve a driver, or run one job from a file."""
    parser = argparse.ArgumentParser(prog="python -m ablate.run.worker")
    parser.add_argument("--channel", type=int)
    parser.add_argument("--job", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--timeout", type=float)
    arguments = parser.parse_args()
    if arguments.channel is None:
        run_file(arguments.job, arguments.out, arguments.timeout)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides
    os.dup2(2, 1)
    serve(Channel(arguments.channel))


if __name__ == "__main__":
    main()
