"""What a function does to a forked copy of this process is told in words, and nothing happens to this one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate import forked
from ablate.forked import Forked, GoneError

pytestmark = pytest.mark.skipif(not forked._FORKS, reason="no fork on this system")
STATE: list[str] = []


def behave(request: str) -> str:
    """What a user's constructor may do."""
    kind, _, argument = request.partition(" ")
    match kind:
        case "exit":
            os._exit(int(argument))
        case "sys.exit":
            sys.exit(int(argument))
        case "signal":
            os.kill(os.getpid(), int(argument))
        case "hang":
            while True:
                time.sleep(1)
        case "fork":  # both sides go on
            return f"{os.fork() == 0}"
        case "leave":
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", argument])
            return str(os.getpid())
        case "change":
            STATE.append(argument)
            print("noise")
        case "raise":
            raise RuntimeError(argument)
    return f"{kind} {STATE}"


@pytest.fixture
def apart() -> Iterator[Forked[str]]:
    call = Forked(behave, seconds=20)
    yield call
    call.close()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("exit 0", "it ends the process with exit code 0"),
        ("exit 3", "it ends the process with exit code 3"),
        (f"exit {forked._ENDED_IDLE}", f"it ends the process with exit code {forked._ENDED_IDLE}"),
        ("sys.exit 0", "it ends the process (SystemExit: 0)"),
        ("raise no way", "it ends the process (RuntimeError: no way)"),
        (f"signal {signal.SIGUSR2}", "it crashes the process (SIGUSR2)"),
        (f"signal {signal.SIGKILL}", "it crashes the process (SIGKILL)"),
    ],
)
def test_its_end_is_told_and_the_next_call_is_answered(apart: Forked[str], request_: str, told: str) -> None:
    assert apart("fine") == "fine []"
    for _ in range(2):
        with pytest.raises(GoneError) as gone:
            apart(request_)
        assert str(gone.value) == told
    assert apart("fine") == "fine []"


def test_what_hangs_is_ended() -> None:
    call = Forked(behave, seconds=0.5)
    with pytest.raises(GoneError, match=r"it did not end within 0\.5 s"):
        call("hang")
    call.close()


def test_state_stays_there(apart: Forked[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert apart("change a") == "change ['a']"
    assert apart("fine") == "fine ['a']"  # the same copy
    assert STATE == []
    assert capfd.readouterr().out == ""


def test_one_that_forks_answers_once(apart: Forked[str]) -> None:
    assert apart("fork") == "False"
    assert apart("fine") == "fine []"


def test_what_is_left_behind_ends_with_it(apart: Forked[str]) -> None:
    group = int(apart("leave 600"))
    apart.close()
    end = time.monotonic() + 10
    while _in_group(group):  # killed, and soon gone
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_idle_copy_ends_and_another_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_IDLE", 0.1)
    call = Forked(behave)
    assert call("change a") == "change ['a']"
    assert call._copy is not None
    call._copy.process.join(20)
    assert call("fine") == "fine []"
    call.close()


def _in_group(group: int) -> list[str]:
    states = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            states.append(fields[0])
    return states
