"""Studies as a user runs them: failures are rows, a stop loses one cell at most, and nothing runs twice."""

from __future__ import annotations

import contextlib
import csv
import json
import random
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.run.executors.base import unwatched
from ablate.run.group import run_group
from ablate.run.records import Job, Json, Outcome, failed
from ablate.study.shipped import shipped_studies, study_name

pytestmark = pytest.mark.usefixtures("undrawn")

Command = Callable[..., Any]

MOODY = '''
"""A mixer that fails when it is told to, once it runs for real."""

import os
import time
from pathlib import Path
from typing import Literal

from torch import nn

import blocks


@blocks.register("mixer", "moody")
class Moody(nn.Module):
    """A projection with a temper."""

    def __init__(self, dim: int, *, mood: Literal["well", "raises", "nan", "dies", "waits"] = "well"):
        super().__init__()
        self.project, self.mood = nn.Conv2d(dim, dim, 1), mood

    def forward(self, x):
        if x.device.type == "meta":
            return self.project(x)
        if self.mood == "raises":
            raise RuntimeError("lost its temper <here>")
        if self.mood == "dies":
            os._exit(7)
        while self.mood == "waits" and Path(__file__).with_name("hold").exists():
            time.sleep(0.02)
        return self.project(x) * (float("nan") if self.mood == "nan" else 1)
'''
STUDY = """\
study: moods
input: {resolution: 8, channels: 1, classes: 10}
blocks: [moody.py]
defaults: {stem: overlap(stride=2), widths: [8], depths: [1], mlp_ratio: 1}
layouts:
  plain: pool
LAYOUTS
measure:
  complexity: {resolutions: [8]}
  accuracy: {dataset: digits, resolution: 8, epochs: 1, seeds: 1, subset: 64, batch: 32}
"""


def write(folder: Path, *moods: str) -> Path:
    (folder / "moody.py").write_text(MOODY)
    layouts = "\n".join(f"  {mood}: moody(mood={mood})" for mood in moods)
    (folder / "study.yaml").write_text(STUDY.replace("LAYOUTS", layouts))
    return folder / "study.yaml"


def rows(out: Path, kind: str = "accuracy") -> list[tuple[str, str]]:
    """Layout and status of every row of the ledger, in the order of their writing; none before it exists."""
    if not (out / "ledger.sqlite").is_file():
        return []
    with sqlite3.connect(out / "ledger.sqlite", timeout=30) as ledger:
        if not ledger.execute("SELECT name FROM sqlite_master WHERE name = 'rows'").fetchone():
            return []
        cells = ledger.execute("SELECT layout, status FROM rows WHERE kind = ? ORDER BY id", (kind,))
        return [(layout, status) for layout, status in cells]


def executed(text: str) -> tuple[int, int, int]:
    """Cells executed, reused and failed, as a run says at its end."""
    match = re.search(r"(\d+) cells executed, (\d+) reused, (\d+) failed", text)
    assert match, text
    return int(match[1]), int(match[2]), int(match[3])


def test_failed_cells_are_rows_until_they_are_mended(
    ablate: Command, command: Command, tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    file, out = write(tmp_path, "well", "raises", "nan", "dies"), tmp_path / "out"

    def status() -> Json:
        fresh_blocks()  # what a new process does
        counts: Json = json.loads(ablate("status", file, "--out", out, "--json").out)
        return counts

    # one layout's failure is a row, and the others' cells are done
    run = command("run", file, "--out", out, "--workers", 1)
    shown, errors = run.communicate()
    assert run.returncode == 1, errors
    assert executed(shown) == (10, 0, 3)
    assert "Traceback" not in shown + errors
    assert dict(rows(out)) == {
        "plain": "done", "well": "done", "raises": "error", "nan": "diverged", "dies": "crashed",
    }  # fmt: skip
    assert status() == {"done": 7, "failed": 3, "stale": 0, "missing": 0}
    page = (out / "report.html").read_text()
    assert "lost its temper &lt;here&gt;" in page
    assert "diverged" in page
    assert "exit code 7" in page
    with (out / "tables" / "main.csv").open() as table:
        assert {row["layout"] for row in csv.DictReader(table)} == {"plain", "well", "raises", "nan", "dies"}

    # a second run executes nothing, and says that the study still has failures
    again = ablate("run", file, "--out", out)
    assert executed(again.out) == (0, 10, 3)
    assert again.code == 1
    retried = ablate("run", file, "--out", out, "--retry-failed", "--workers", 1)
    assert executed(retried.out) == (3, 7, 3)
    assert retried.code == 1

    # mending the user's file makes the rows of its blocks stale, and those alone are run again
    mended = MOODY.replace("raise RuntimeError", "str").replace("os._exit", "str").replace('nan")', '1")')
    (tmp_path / "moody.py").write_text(mended)
    assert status() == {"done": 2, "failed": 0, "stale": 8, "missing": 0}
    fresh_blocks()
    done = ablate("run", file, "--out", out, "--workers", 1)
    assert executed(done.out) == (8, 2, 0)
    assert done.code == 0
    assert status() == {"done": 10, "failed": 0, "stale": 0, "missing": 0}
    assert "lost its temper" not in (out / "report.html").read_text()
    assert len(rows(out)) == 5 + 3 + 4, "the old rows are kept"


def test_a_time_limit(ablate: Command, tmp_path: Path, fresh_blocks: Callable[[], None]) -> None:
    file, out = write(tmp_path, "waits"), tmp_path / "out"
    (tmp_path / "hold").touch()
    run = ablate("run", file, "--out", out, "--workers", 1, "--timeout", 15)
    assert run.code == 1
    assert executed(run.out) == (4, 0, 1)
    assert rows(out) == [("plain", "done"), ("waits", "timeout")]
    assert "took more than 15 s" in (out / "report.html").read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_stopped_study_goes_on(
    ablate: Command,
    command: Command,
    tmp_path: Path,
    fresh_blocks: Callable[[], None],
    until: Callable[[Callable[[], bool]], bool],
    alive: Callable[[int], bool],
) -> None:
    file, out, hold = write(tmp_path, "well", "waits"), tmp_path / "out", tmp_path / "hold"
    hold.touch()

    # Ctrl-C, with one cell in flight: a word on how to go on, and no worker is left
    run = command("run", file, "--out", out, "--workers", 1)
    assert until(lambda: len(rows(out)) == 2)
    workers = workers_of(run.pid)
    assert len(workers) == 1
    run.send_signal(signal.SIGINT)
    shown, errors = run.communicate(timeout=300)
    assert run.returncode == 130
    assert f"Go on with: ablate run {file} --out {out}" in errors
    assert "Traceback" not in shown + errors
    assert until(lambda: not any(map(alive, workers)))
    assert rows(out) == [("plain", "done"), ("well", "done")]

    # the driver is killed: its workers end in the middle of their job, and the ledger is whole
    run = command("run", file, "--out", out, "--workers", 1)
    assert until(lambda: len(workers_of(run.pid)) == 1)
    workers = workers_of(run.pid)
    run.kill()
    run.communicate()
    assert until(lambda: not any(map(alive, workers))), "a worker goes on without its driver"
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    # only the cell in flight was lost
    hold.unlink()
    done = ablate("run", file, "--out", out, "--workers", 1)
    assert done.code == 0, done.err
    assert executed(done.out) == (1, 5, 0)
    assert rows(out) == [("plain", "done"), ("well", "done"), ("waits", "done")]


def workers_of(pid: int) -> list[int]:
    """The workers of this driver."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended since
            parent = int((process / "stat").read_text().rpartition(") ")[2].split()[1])
            if parent == pid and "ablate.run.worker" in (process / "cmdline").read_text():
                pids.append(int(process.name))
    return pids


def test_killed_at_any_moment(command: Command, tmp_path: Path) -> None:
    """What the ledger holds when the driver is killed at a moment of chance is whole, and is not lost."""
    file, out = write(tmp_path, "well"), tmp_path / "out"
    text = file.read_text().replace("resolutions: [8]", f"resolutions: {list(range(8, 208))}")
    file.write_text(text.replace("  accuracy", "  # accuracy"))
    kept = 0
    for _ in range(2):
        run = command("run", file, "--out", out)
        deadline = time.monotonic() + 60
        while len(rows(out, "complexity")) == kept and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.Random(kept).uniform(0, 0.3))
        run.kill()
        run.communicate()
        cells = rows(out, "complexity")
        assert len(cells) > kept
        assert len(set(cells)) <= 2
        kept = len(cells)
        with sqlite3.connect(out / "ledger.sqlite") as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert ledger.execute("SELECT COUNT(DISTINCT key) FROM rows").fetchone() == (kept,)


# Cells that measure time run together; a stand-in for their worker shows what becomes of them.


def group(processes: int = 3, layouts: str = "base other bad") -> Job:
    return Job(
        "throughput",
        "ablate.runners.throughput:run",
        {name: {"layout": "conv"} for name in layouts.split()},
        {"resolution": 8, "batch": 1, "processes": processes, "mode": "inference", "precision": "fp32"},
        where="alone",
        baseline="base",
        cells={name: name for name in layouts.split()},
        processes=processes,
        gather="ablate.runners.latency:gather",
    )


class Process:
    """Takes the place of a fresh process; `fails(job)` gives the outcome of one that fails."""

    def __init__(self, fails: Callable[[Job], Outcome | None] = lambda job: None, broken: str = "bad"):
        self.fails, self.broken = fails, broken
        self.jobs: list[Job] = []

    def __call__(self, job: Job, watch: object) -> Outcome:
        self.jobs.append(job)
        outcome = self.fails(job)
        if outcome is not None:
            return outcome
        broken = {self.broken: {"status": "error", "reason": "broken"}}
        failures = broken if job.process == 1 and self.broken in job.layouts else {}
        rounds = [{name: [0.001, 0.002] for name in job.layouts if name not in failures}]
        return Outcome({"failed": failures, "data": {"batch": 1, "rounds": rounds}})


def timed(process: Process, job: Job | None = None) -> dict[str, str]:
    outcome = run_group(job or group(), process, unwatched)
    assert outcome.values is not None
    outcomes = {name: Outcome.from_json(data) for name, data in outcome.values["outcomes"].items()}
    return {name: f"{done.status} {done.reason}".strip() for name, done in outcomes.items()}


def test_layouts_of_one_condition_are_timed_together() -> None:
    process = Process()
    assert timed(process) == {"base": "done", "other": "done", "bad": "error broken"}
    assert [list(job.layouts) for job in process.jobs] == [
        ["base", "other", "bad"],
        ["base", "other", "bad"],
        ["base", "other"],
    ], "what has failed is not tried again"


@pytest.mark.parametrize("culprit", ["base", "bad"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_layout_that_kills_a_process_is_found_and_costs_itself_alone(culprit: str, number: int) -> None:
    def fails(job: Job) -> Outcome | None:
        guilty = culprit in job.layouts and job.process == number
        return failed("crashed", "the worker was killed") if guilty else None

    states = timed(Process(fails, broken=""))
    assert states[culprit] == "crashed the worker was killed"
    assert states["other"] == "done"


def test_when_all_are_killed_the_group_ends_all_the_same() -> None:
    assert set(timed(Process(lambda job: failed("oom", "full"))).values()) == {"oom full"}


def test_a_shipped_study_is_called_by_its_name(tmp_path: Path) -> None:
    shipped = shipped_studies()["quickstart"]
    assert study_name(shipped) == "quickstart"
    assert study_name(tmp_path / "quickstart.yaml") == str(tmp_path / "quickstart.yaml")
