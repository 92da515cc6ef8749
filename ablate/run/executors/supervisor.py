"""One worker process and what is known of it: starting, idle or busy, with limits from the first moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

from ablate.run.executors.log import keep_output
from ablate.run.records import Job, Json, Outcome, failed
from ablate.runners.environment import worker_environment

START_SECONDS = 180.0
"""How long a worker may take to load torch, on the busiest machine."""
STALL_SECONDS = 1800.0
"""How long a cell may go on without a sign of progress when no limit was given."""


class Worker:
    """One child process, the leader of a group of its own, started by the first job that it is given."""

    def __init__(self, threads: int, timeout: float | None):
        self.threads, self.timeout = threads, timeout
        self.job: Job | None = None
        self.fraction = 0.0  # of the job, by the worker's last message
        self.process: subprocess.Popen[bytes] | None = None
        self.channel = -1
        self._errors: IO[bytes] | None = None
        self._pending = b""
        self._ready = False
        self._begun = self._moved = 0.0

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.process is not None

    def give(self, job: Job) -> None:
        """Send a job; what becomes of it is learned from `messages` and `overdue`."""
        self.job, self.fraction = job, 0.0
        self._begun = self._moved = time.monotonic()
        if self.process is None:
            self._start()
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, OSError):  # it has died; its end is read from the channel
            self.process.stdin.write((json.dumps(job.to_json()) + "\n").encode())
            self.process.stdin.flush()

    def messages(self) -> list[Json] | None:
        """What the worker says, ready to be read; None when it has ended or says what no worker would."""
        try:
            part = os.read(self.channel, 1 << 20)
        except OSError:
            return None
        if not part:
            return None
        *lines, self._pending = (self._pending + part).split(b"\n")
        received: list[Json] = []
        for line in lines:
            try:
                message = json.loads(line)
                own = self.process is not None and message["pid"] == self.process.pid
            except (ValueError, KeyError, TypeError):
                return None
            if not own or message.get("job") not in (None, self.job.id if self.job else None):
                return None
            self._moved = time.monotonic()
            if message["type"] == "ready":
                self._ready = True
            if message["type"] == "started":
                self._begun = self._moved
            received.append(message)
        return received

    @property
    def dead(self) -> bool:
        """Whether the process has ended; what it has forked may still hold the channel open."""
        return self.process is not None and self.process.poll() is not None

    def overdue(self) -> str:
        """Why the job's time is over; empty while it is not."""
        if self.job is None:
            return ""
        now = time.monotonic()
        if not self._ready:
            limit = max(START_SECONDS, self.timeout or 0.0)
            return f"the worker was not ready after {limit:g} s" if now - self._begun > limit else ""
        if self.timeout is not None:
            cells = max(1, len(self.job.layouts) if self.job.gather else 1)
            limit = self.timeout * cells
            return f"took more than {self.timeout:g} s" if now - self._begun > limit else ""
        stalled = now - self._moved > STALL_SECONDS
        return f"no sign of progress for {STALL_SECONDS:g} s" if stalled else ""

    def ended(self) -> Outcome:
        """The outcome of the job of a worker that has ended, or that said what no worker would."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return failed("crashed", "the worker wrote what is no message of its job, and was stopped")
        last = self._last_line()
        self.kill()
        if code < 0:
            hint = " (often the system being out of memory)" if -code == signal.SIGKILL else ""
            return failed("crashed", f"the worker was killed by {_signal_name(-code)}{hint}")
        return failed("crashed", f"the worker ended with exit code {code}{f': {last}' if last else ''}")

    def kill(self) -> None:
        """End the process and all that it started."""
        process, self.process, self.job = self.process, None, None
        self._ready, self._pending = False, b""
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        os.close(self.channel)
        if self._errors is not None:
            keep_output(self._errors, process.pid)
            self._errors.close()

    def _start(self) -> None:
        self.channel, writer = os.pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `kill`)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ablate.run.worker", "--channel", str(writer)],
                stdin=subprocess.PIPE,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=(writer,),
                env={**os.environ, **worker_environment(self.threads)},
                start_new_session=True,  # Ctrl-C reaches the driver alone, which then stops its workers
            )
        finally:
            os.close(writer)

    def _last_line(self) -> str:
        assert self._errors is not None
        self._errors.seek(0, os.SEEK_END)
        size = self._errors.tell()
        self._errors.seek(max(0, size - 4096))
        return self._errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def spoilt(message: dict[str, Any]) -> bool:
    """Whether the worker that sent this must not be given another job."""
    return bool(message.get("spoilt"))
