"""The command line, called as a user calls it: inside this process where a new one would add nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

# Before torch is imported: test processes share the cores, and threads that wait for each other are slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ablate.cli import main
from blocks import registry


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def ablate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`ablate("check", file)` runs the command in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ablate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.Popen[str]]:
    """`command("run", file)` starts the command in a process of its own."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ablate.cli", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        )

    return start


@pytest.fixture(autouse=True)
def fresh_blocks() -> Iterator[Callable[[], None]]:
    """Forget the user's blocks, now by calling it, and when the test ends: this process is many in one."""
    registry.names("mixer")  # the shipped ones are there now
    before = dict(registry._entries)

    def forget() -> None:
        registry._entries.clear()
        registry._entries.update(before)
        registry.source_hash.cache_clear()
        for name in [name for name in sys.modules if name.startswith("ablate_user_")]:
            del sys.modules[name]

    yield forget
    forget()
