"""This machine: worker processes with pinned threads, fed with jobs, watched for crashes and time-outs."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ablate.run.cell import Json, Outcome
from ablate.runners.environment import worker_environment

Progress = Callable[[float], None]


class Worker:
    """One child process. It is started by the first job, and again after a crash or a time-out."""

    def __init__(self, threads: int = 1, timeout: float | None = None):
        self.threads = threads
        self.timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._timed_out = False

    def run(self, job: Json, progress: Progress = lambda fraction: None) -> Outcome:
        """Run one job and wait for its outcome; never raises for what the job does."""
        start = time.perf_counter()
        outcome = self._run(job, progress)
        return replace(outcome, seconds=time.perf_counter() - start)

    def _run(self, job: Json, progress: Progress) -> Outcome:
        process = self._process if self._process and self._process.poll() is None else self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        self._timed_out = False
        timer = threading.Timer(self.timeout, self._time_out) if self.timeout else None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                message = json.loads(line)
                if "status" in message:
                    return Outcome(message["status"], message["values"], message["reason"])
                if "started" in message:
                    if timer:
                        timer.start()  # only now: the limit is the job's, not that of loading torch
                else:
                    progress(message["progress"])
        except BrokenPipeError:
            pass
        finally:
            if timer:
                timer.cancel()
        return self._failure(process)

    def close(self) -> None:
        """Stop the child process, and what it started, at once."""
        if self._process is not None:
            _kill(self._process)
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self.close()
        self._errors.truncate(0)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ablate.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **worker_environment(self.threads)},
            start_new_session=True,  # Ctrl-C reaches the driver alone, which then stops its workers
        )
        threading.Thread(target=_bury, args=(self._process,), daemon=True).start()
        return self._process

    def _time_out(self) -> None:
        self._timed_out = True
        if self._process is not None:
            _kill(self._process)

    def _failure(self, process: subprocess.Popen[str]) -> Outcome:
        code = process.wait()
        if self._timed_out:
            return Outcome("timeout", {}, f"took more than {self.timeout:g} s")
        self._errors.seek(0)
        last = self._errors.read().strip().rpartition("\n")[2]
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (often the system being out of memory)" if -code == signal.SIGKILL else ""
            return Outcome("crashed", {}, f"the worker was killed by {name}{hint}")
        return Outcome("crashed", {}, f"the worker ended with exit code {code}: {last}")


def _kill(process: subprocess.Popen[str]) -> None:
    """End a worker that runs, with its group: whatever its job started."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended just now
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()


def _bury(process: subprocess.Popen[str]) -> None:
    """Wait for a worker's end, however it comes, and end what its job has left running.

    It only looks, and leaves the waiting to others: meanwhile the number of the group is nobody else's. Where
    a system cannot look without waiting, what a worker leaves behind has to see for itself that it is alone.
    """
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError, ProcessLookupError, PermissionError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            os.killpg(process.pid, signal.SIGKILL)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Sequence[Json], workers: int, *, timeout: float | None, progress: Callable[[int, float], None]
) -> Iterator[tuple[int, Outcome]]:
    """Run jobs on `workers` one-thread processes; yields `(index of the job, outcome)` as they finish.

    `progress(index, fraction)` is called from the thread that iterates. Closing the iterator (as Ctrl-C does)
    kills the workers.
    """
    todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, float | Outcome]] = queue.SimpleQueue()
    pool = [Worker(threads=1, timeout=timeout) for _ in range(min(workers, len(jobs)))]

    def serve(worker: Worker) -> None:
        def report(index: int, message: float | Outcome) -> None:
            done.put((index, message))

        while (index := todo.get()) is not None:
            done.put((index, worker.run(jobs[index], partial(report, index))))

    for item in [*range(len(jobs)), *[None] * len(pool)]:
        todo.put(item)
    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in pool]
    for thread in threads:
        thread.start()
    try:
        remaining = len(jobs)
        while remaining:
            index, message = done.get()
            if isinstance(message, Outcome):
                remaining -= 1
                yield index, message
            else:
                progress(index, message)
    finally:
        while not todo.empty():
            todo.get_nowait()
        for _ in pool:
            todo.put(None)
        for worker in pool:
            worker.close()
