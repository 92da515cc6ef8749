"""Worker processes: what a job does to its process is an outcome, and the next job runs all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.run.executors.base import Setup
from ablate.run.executors.local import LocalExecutor
from ablate.run.records import Job, Outcome

# Files of the user's are run by the worker, so that a job can do to its process whatever it likes.
FINE = "import time"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
STRANGE_SIGNAL = "import os; os.kill(os.getpid(), 40)"
EXITS = "import os, sys; print('gave up', file=sys.stderr, flush=True); os._exit(3)"
LEAVES = "import sys; sys.exit(0)"
HANGS = "import time; time.sleep(600)"
FULL = "import torch; raise torch.OutOfMemoryError('no room left')"
PRINTS = "print('noise on stdout')\nraise ValueError('a mistake')"
SURROGATE = "raise ValueError('broken \\ud800 text')"
GARBAGE = (
    "import os\nfor n in range(3, 64):\n    try: os.write(n, b'no message\\n')\n    except OSError: pass"
)
FORKS = "import os\nos.fork()"
STRAY = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
DOUBLES = "import torch\ntorch.set_default_dtype(torch.float64)"


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str], Job]:
    """A job that counts a small layout, after it has run a file of the user's."""

    def make(source: str) -> Job:
        path = tmp_path / f"user_{abs(hash(source))}.py"
        path.write_text(source)
        layouts = {"a": {"layout": "conv", "widths": [8], "depths": [1]}}
        return Job(
            "complexity",
            "ablate.runners.complexity:run",
            layouts,
            {"resolution": 16},
            where="counted",
            extensions=(str(path),),
        )

    return make


@pytest.fixture
def outcome_of(one_worker: LocalExecutor) -> Callable[[Job], Outcome]:
    def run(job: Job) -> Outcome:
        ((same, outcome),) = one_worker.run([job])
        assert same is job
        return outcome

    return run


def macs(outcome: Outcome) -> int:
    assert outcome.values is not None, outcome.reason
    return int(outcome.values["macs"])


def test_what_a_job_does_to_its_process_is_its_own_outcome(
    job: Callable[[str], Job], outcome_of: Callable[[Job], Outcome]
) -> None:
    right = macs(outcome_of(job(FINE)))
    cases = {
        KILLED: ("crashed", "SIGKILL"),
        STRANGE_SIGNAL: ("crashed", "killed by"),
        EXITS: ("crashed", "exit code 3: gave up"),
        LEAVES: ("crashed", "exit code 0"),
        FULL: ("oom", "no room left"),
        PRINTS: ("error", "ValueError: a mistake"),
        SURROGATE: ("error", "broken"),
        GARBAGE: ("crashed", "no message"),
    }
    for source, (status, reason) in cases.items():
        outcome = outcome_of(job(source))
        assert (outcome.status, outcome.values) == (status, None), source
        assert reason in outcome.reason, source
        outcome.reason.encode()
    assert macs(outcome_of(job(FINE))) == right, "the next job is none the worse for it"


def test_a_block_that_forks_gives_no_one_its_numbers(
    job: Callable[[str], Job], outcome_of: Callable[[Job], Outcome], tmp_path: Path
) -> None:
    right = macs(outcome_of(job(FINE)))
    assert macs(outcome_of(job(FORKS))) == right
    assert macs(outcome_of(job(FINE))) == right


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_what_a_job_leaves_behind_ends_with_it(
    job: Callable[[str], Job], outcome_of: Callable[[Job], Outcome]
) -> None:
    outcome = outcome_of(job(STRAY))
    assert any("child processes" in note for note in outcome.notes)


def test_one_job_does_not_change_the_next(
    job: Callable[[str], Job], outcome_of: Callable[[Job], Outcome]
) -> None:
    right = outcome_of(job(FINE)).values
    changed = outcome_of(job(DOUBLES))
    assert any("default dtype" in note for note in changed.notes), "the cell that changed it says so"
    again = outcome_of(job(FINE))
    assert again.values == right
    assert again.notes == ()


def test_time_out(job: Callable[[str], Job]) -> None:
    with LocalExecutor(Setup(workers=1, timeout=12.0)) as executor:
        outcomes = [outcome for _, outcome in executor.run([job(HANGS), job(FINE)])]
    assert [outcome.status for outcome in outcomes] == ["timeout", "done"]
    assert "12 s" in outcomes[0].reason


def test_a_worker_ends_with_its_driver(
    tmp_path: Path, job: Callable[[str], Job], until: Callable[..., bool], alive: Callable[[int], bool]
) -> None:
    source = tmp_path / "pid"
    text = f"import os, time\nopen({str(source)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    (tmp_path / "job.json").write_text(json.dumps(job(text).to_json()))
    script = """
        import json, sys
        from ablate.run.executors.base import Setup
        from ablate.run.executors.local import LocalExecutor
        from ablate.run.records import Job
        job = Job.from_json(json.load(open(sys.argv[1])))
        list(LocalExecutor(Setup(workers=1)).run([job]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "job.json")]
    driver = subprocess.Popen(command)
    try:
        assert until(lambda: source.exists() and source.read_text() != "")
        pid = int(source.read_text())
        assert alive(pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert until(lambda: not alive(pid)), "the worker goes on without its driver"
    finally:
        driver.kill()
        driver.wait()


def test_closing_the_iterator_stops_the_workers(
    job: Callable[[str], Job], alive: Callable[[int], bool]
) -> None:
    executor = LocalExecutor(Setup(workers=1))
    outcomes = executor.run([job(PRINTS), job(HANGS), job(HANGS)])
    assert next(outcomes)[1].status == "error"
    process = executor._kept[0].process
    assert process is not None
    pid = process.pid
    outcomes.close()  # would wait for ten minutes if the worker were not killed
    executor.close()
    assert not alive(pid)


def test_one_job_from_a_file_to_a_file(tmp_path: Path, job: Callable[[str], Job]) -> None:
    (tmp_path / "job.json").write_text(json.dumps(job(FINE).to_json()))
    command = [
        sys.executable,
        "-m",
        "ablate.run.worker",
        "--job",
        tmp_path / "job.json",
        "--out",
        tmp_path / "o.json",
    ]
    assert subprocess.run(command, env={**os.environ}, check=False).returncode == 0
    record = json.loads((tmp_path / "o.json").read_text())
    assert record["outcome"]["values"]["macs"] > 0
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []
