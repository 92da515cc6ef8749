"""The command line, called as a user calls it: inside this process where a new one would add nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

# Before torch is imported: test processes share the cores, and threads that wait for each other are slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "200"  # and before rich reads it, which is once a process

from ablate.cli import main
from ablate.data import register as data_sets
from ablate.measurements import register
from ablate.report import register as shown
from ablate.run import closure, keys
from ablate.run.executors import base as executors
from blocks import registry

ITS = {"its_scale"}  # helper modules of user files that tests write


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def ablate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`ablate("check", file)` runs the command in this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ablate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures, for tests of something else: drawing takes longer than most cells."""
    monkeypatch.setattr("ablate.report.write.figure_entries", list)


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`command("run", file)` starts the command in a process of its own, which ends with the test.

    It answers Ctrl-C as in a terminal, also where this process runs in the background and ignores it.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "ablate.cli", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGINT, usual)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(autouse=True)
def fresh_blocks() -> Iterator[Callable[[], None]]:
    """Forget the user's blocks, now by calling it, and when the test ends: this process is many in one."""
    registry.names("mixer")  # the shipped ones are there now
    before = dict(registry._entries)
    register.measurements()
    data_sets.entries()
    executors.executor_names()
    others = (register._measurements, data_sets._entries, executors._executors, shown._tables, shown._figures)
    shown.table_entries()
    shown.figure_entries()
    kept = [dict(entries) for entries in others]

    def forget() -> None:
        registry._entries.clear()
        registry._entries.update(before)
        closure.forget()
        keys.forget()
        for entries, known in zip(others, kept, strict=True):
            entries.clear()
            entries.update(known)  # type: ignore[arg-type]
        for name in [name for name in sys.modules if name.startswith("ablate_user_") or name in ITS]:
            del sys.modules[name]

    yield forget
    forget()
