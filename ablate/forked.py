"""Calls in a forked copy of this process, for code that may exit, crash, hang or change global state."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

SECONDS = 20.0
"""How long one call may take."""
_IDLE = 5.0  # seconds without a call after which the copy ends
_ENDED_IDLE = 87  # its exit code then
_FORKS = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
Request = TypeVar("Request")


class GoneError(Exception):
    """The process ended, or was ended, while it was at a request; says how."""


class Forked(Generic[Request]):
    """A function from a request (plain data) to a text, called in a copy of this process.

    The copy is made at the first call, knows everything that is imported then, and costs no time to start; it
    serves further calls until it has had none for a while. Where there is no fork, the function is called
    here.
    """

    def __init__(self, function: Callable[[Request], str], seconds: float = SECONDS):
        self.function, self.seconds = function, seconds
        self._copy: _Copy | None = None

    def __call__(self, request: Request) -> str:
        """What the function answers; it must raise nothing. Raises `GoneError`."""
        if not _FORKS:
            return self.function(request)
        for _ in range(2):  # twice where the copy of an earlier call had ended
            copy, self._copy = self._copy or _Copy(self.function), None
            answer = copy.ask(request, self.seconds)
            if answer is not None:
                self._copy = copy
                return answer
        raise GoneError(f"it ends the process with exit code {_ENDED_IDLE}")

    def close(self) -> None:
        """End the process, if there is one."""
        if self._copy is not None:
            self._copy.end()
            self._copy = None


class _Copy:
    """The process and the way to it."""

    def __init__(self, function: Callable[[Any], str]):
        context = multiprocessing.get_context("fork")
        self.near, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(function, far, self.near), daemon=True)
        sys.stdout.flush()
        sys.stderr.flush()
        self.process.start()
        self.code = 0  # how it ended
        far.close()

    def ask(self, request: Any, seconds: float) -> str | None:
        """The answer; None when the process had gone before it was asked. Raises `GoneError`."""
        with contextlib.suppress(OSError):
            self.near.send(request)
        ready = wait([self.near, self.process.sentinel], seconds)
        with contextlib.suppress(EOFError, OSError):
            if self.near.poll(0):
                answered, text = self.near.recv()
                if answered:
                    return str(text)
                self.end()
                raise GoneError(text)
        self.end(0.0 if not ready else _IDLE)
        if not ready:
            raise GoneError(f"it did not end within {seconds:g} s")
        if self.code == _ENDED_IDLE:
            return None
        if self.code < 0:
            raise GoneError(f"it crashes the process ({signal.Signals(-self.code).name})")
        raise GoneError(f"it ends the process with exit code {self.code}")

    def end(self, seconds: float = _IDLE) -> None:
        """End the process, which has so long to do it by itself, and what it has left behind."""
        self.near.close()
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(self.process.pid or 0), signal.SIGKILL)
        self.code = self.process.exitcode or 0
        self.process.close()


def _serve(function: Callable[[Any], str], far: Connection, near: Connection) -> None:
    """Answer requests until there are none; never returns."""
    near.close()
    own = os.getpid()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdout = sys.stderr = open(null, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    with contextlib.suppress(EOFError, OSError):
        while far.poll(_IDLE):
            request = far.recv()
            try:
                answer = True, function(request)
            except BaseException as error:
                text = " ".join(str(error).split())
                answer = False, f"it ends the process ({type(error).__name__}: {text})"
            if os.getpid() != own:  # a process that the function has forked
                break
            far.send(answer)
    if os.getpid() == own:  # what the function has left behind ends too
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    os._exit(_ENDED_IDLE)
