"""Worker processes: what a job does to its process is an outcome, and the next job runs all the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.run.cell import Json
from ablate.run.local import Worker, run_jobs

# Files of the user's are run by the worker, so that a job can do to its process whatever it likes.
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
EXITS = "import os, sys; print('gave up', file=sys.stderr, flush=True); os._exit(3)"
HANGS = "import time; time.sleep(600)"
FULL = "import torch; raise torch.OutOfMemoryError('no room left')"
PRINTS = "print('noise on stdout')\nraise ValueError('a mistake')"


def job(tmp_path: Path, source: str) -> Json:
    path = tmp_path / f"user_{abs(hash(source))}.py"
    path.write_text(source)
    return {
        "kind": "memory",
        "layouts": {},
        "condition": {},
        "channels": 3,
        "classes": 10,
        "block_files": [str(path)],
    }


@pytest.mark.parametrize(
    ("source", "status", "reason"),
    [
        pytest.param(KILLED, "crashed", "SIGKILL", id="killed"),
        pytest.param(EXITS, "crashed", "exit code 3: gave up", id="exits"),
        pytest.param(FULL, "oom", "no room left", id="out of memory"),
        pytest.param(PRINTS, "error", "ValueError: a mistake", id="prints and raises"),
    ],
)
def test_failures_are_outcomes(tmp_path: Path, source: str, status: str, reason: str) -> None:
    worker = Worker()
    try:
        outcome = worker.run(job(tmp_path, source))
    finally:
        worker.close()
    assert outcome.status == status
    assert reason in outcome.reason
    assert outcome.values == {}


def test_time_out(tmp_path: Path) -> None:
    worker = Worker(timeout=0.5)  # of the job: to start a worker takes longer
    try:
        outcome = worker.run(job(tmp_path, HANGS))
    finally:
        worker.close()
    assert outcome.status == "timeout"
    assert "0.5 s" in outcome.reason


def test_a_worker_ends_with_its_driver(
    tmp_path: Path, until: Callable[[Callable[[], bool]], bool], alive: Callable[[int], bool]
) -> None:
    (tmp_path / "source.json").write_text(json.dumps(job(tmp_path, HANGS)))
    # a driver that starts a worker, says so, and is killed while the job runs
    script = """
        import json, os, signal, sys
        from ablate.run.local import Worker
        process = Worker()._start()
        process.stdin.write(open(sys.argv[1]).read() + "\\n")
        process.stdin.flush()
        assert "started" in json.loads(process.stdout.readline())
        print(process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    driver = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "source.json")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert driver.returncode == -signal.SIGKILL
    pid = int(driver.stdout)
    assert until(lambda: not alive(pid)), "the worker goes on without its driver"


def test_jobs_after_a_crash_still_run(tmp_path: Path) -> None:
    jobs = [job(tmp_path, KILLED), job(tmp_path, PRINTS), job(tmp_path, EXITS)]
    found = dict(run_jobs(jobs, workers=1, timeout=None, progress=lambda index, fraction: None))
    assert {index: outcome.status for index, outcome in found.items()} == {
        0: "crashed",
        1: "error",
        2: "crashed",
    }


def test_closing_the_iterator_stops_the_workers(tmp_path: Path) -> None:
    jobs = [job(tmp_path, PRINTS), job(tmp_path, HANGS), job(tmp_path, HANGS)]
    outcomes = run_jobs(jobs, workers=1, timeout=None, progress=lambda index, fraction: None)
    assert next(outcomes)[1].status == "error"
    outcomes.close()  # would wait for ten minutes if the worker were not killed
