"""Waiting for processes, small jobs, and executors that stand in for real ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ablate.run.executors.base import Executor, Setup, Watch, unwatched
from ablate.run.executors.local import LocalExecutor
from ablate.run.records import Job, Outcome


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], bool]:
    """Wait until a condition holds, three minutes at most; whether it does."""

    def wait(condition: Callable[[], bool], seconds: float = 180) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        return condition()

    return wait


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""

    def runs(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(") ")[2][0] != "Z"

    return runs


@pytest.fixture
def one_worker() -> Iterator[LocalExecutor]:
    """The local executor with one worker."""
    with LocalExecutor(Setup(workers=1)) as executor:
        assert isinstance(executor, LocalExecutor)
        yield executor


@dataclass
class Stand(Executor):
    """Runs nothing: `outcome(job)` says what a job comes to. It counts its jobs."""

    outcome: Callable[[Job], Outcome]
    jobs: list[Job] = field(default_factory=list)
    setup: Setup = field(default_factory=Setup)

    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            self.jobs.append(job)
            yield job, self.outcome(job)


@pytest.fixture
def stand_in() -> Callable[[Callable[[Job], Outcome]], Stand]:
    """Makes an executor that runs nothing."""
    return Stand
