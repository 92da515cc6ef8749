"""Jobs through submitit, on its stand-in for a cluster: the same numbers, nothing submitted twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("submitit")

from ablate.errors import AblateError
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor, Setup, make_executor
from ablate.run.executors.local import LocalExecutor
from ablate.run.executors.slurm import Options, SlurmExecutor
from ablate.run.executors.submissions import Submission, Submissions
from ablate.run.ledger import Ledger
from ablate.run.records import Job
from ablate.study.load import parse_study

STUDY = """
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [8, 16], depths: [1, 1]}
layouts: {a: conv, b: pool}
measure:
  complexity: {resolutions: [8]}
  accuracy: {dataset: digits, resolution: 8, epochs: 1, subset: 64, seeds: 1, batch: 32, precision: fp32}
"""
HERE = {"cluster": "local", "poll": "0.1", "grace": "1"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SlurmExecutor]:
    with make_executor("slurm", Setup(folder=tmp_path, options=HERE)) as made:
        assert isinstance(made, SlurmExecutor)
        yield made


def accuracies(executor: Executor, folder: Path) -> dict[str, float]:
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert run_study(parse_study(STUDY), ledger, executor).failed == 0
        rows = [record for record in ledger.records() if record.kind == "accuracy"]
        assert len(ledger.ask("SELECT 1 FROM rows")) == 4
        return {record.layout: record.values.top1 for record in rows}


@pytest.mark.long
def test_the_same_accuracies_bit_for_bit(cluster: SlurmExecutor, tmp_path: Path) -> None:
    with LocalExecutor(Setup(workers=1)) as local:
        expected = accuracies(local, tmp_path / "local")
    assert accuracies(cluster, tmp_path) == expected
    assert list(cluster.submissions) == []
    assert not list((tmp_path / "outcomes").iterdir())


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str], Job]:
    """A job that runs a user's file and then counts a small layout, as if it were measured."""

    def make(source: str) -> Job:
        path = tmp_path / f"user_{len(source)}.py"
        path.write_text(source)
        layouts = {"a": {"layout": "conv", "widths": [8], "depths": [1]}}
        return Job(
            "complexity",
            "ablate.runners.complexity:run",
            layouts,
            {"resolution": 16},
            extensions=(str(path),),
            cells={"a": f"key {source}"},
        )

    return make


def test_what_a_job_does_to_its_process_is_its_own_outcome(
    cluster: SlurmExecutor, job: Callable[[str], Job]
) -> None:
    jobs = [job("import os; os._exit(3)"), job("import time")]
    outcomes = {done.cells["a"]: outcome for done, outcome in cluster.run(jobs)}
    assert outcomes[jobs[0].cells["a"]].status == "crashed"
    assert "exit code 3" in outcomes[jobs[0].cells["a"]].reason
    assert outcomes[jobs[1].cells["a"]].status == "done"
    assert outcomes[jobs[1].cells["a"]].host
    assert outcomes[jobs[1].cells["a"]].device


def test_a_queued_job_is_found_again_and_not_submitted_twice(
    cluster: SlurmExecutor, job: Callable[[str], Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    source = f"import os, time; open('{marks}/' + str(os.getpid()), 'w'); time.sleep(0.5)"
    first = job(source)
    (submitted,) = cluster._submit([first])
    assert list(submitted) == [first.id]
    # a driver of its own comes back, while the job runs or is over
    with make_executor("slurm", Setup(folder=tmp_path, options=HERE)) as again:
        assert isinstance(again, SlurmExecutor)
        monkeypatch.setattr(again, "_array", lambda *_: pytest.fail("submitted twice"))
        ((done, outcome),) = again.run([job(source)])
    assert done.id == first.id
    assert outcome.status == "done", outcome.reason
    assert len(list(marks.iterdir())) == 1


def test_a_job_that_ends_without_an_outcome_is_a_crash(
    cluster: SlurmExecutor, job: Callable[[str], Job]
) -> None:
    lost = job("import time")
    cluster.submissions.add([Submission(lost.id, "99999999", lost.runner, lost.cells)])
    start = time.monotonic()
    ((_, outcome),) = cluster.run([lost])
    assert outcome.status == "crashed"
    assert "without an outcome; job 99999999" in outcome.reason
    assert time.monotonic() - start >= 1, "after the grace that a slow file system is given"


def test_submissions_outlive_their_driver(tmp_path: Path, job: Callable[[str], Job]) -> None:
    asked = job("import time")
    Submissions(tmp_path).add([Submission("id", "7_0", asked.runner, asked.cells)])
    held = Submissions(tmp_path).find(asked)
    assert held is not None
    assert held.queued == "7_0"
    assert Submissions(tmp_path).find(job("import os")) is None
    (tmp_path / "submitted.json").write_text("{")
    assert list(Submissions(tmp_path)) == []


def test_options() -> None:
    given = {
        "partition": "gpu",
        "time": "90",
        "memory": "8G",
        "gpus": "1",
        "setup": "module load a\nexport B=1",
    }
    parameters = Options.of(given).parameters(threads=4, alone=True)
    assert parameters["slurm_partition"] == "gpu"
    assert parameters["timeout_min"] == 90
    assert parameters["cpus_per_task"] == 4
    assert parameters["slurm_setup"] == ["module load a", "export B=1"]
    assert parameters["slurm_exclusive"] is True
    assert "slurm_exclusive" not in Options.of(given).parameters(threads=4, alone=False)
    assert "slurm_exclusive" not in Options.of({"exclusive": "no"}).parameters(threads=1, alone=True)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"partiton": "gpu"}, "did you mean 'partition'"),
        ({"time": "long"}, "is a number"),
        ({"chunk": "0"}, "above 0"),
        ({"cluster": "pbs"}, "slurm or local"),
    ],
)
def test_wrong_options(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(AblateError, match=complaint):
        Options.of(given)


def test_arrays_are_cut_into_chunks(
    tmp_path: Path, job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Handle:
        def __init__(self, number: int):
            self.job_id = f"{len(sizes)}_{number}"

    with make_executor("slurm", Setup(folder=tmp_path, options=HERE | {"chunk": "2"})) as made:
        assert isinstance(made, SlurmExecutor)

        def array(jobs: list[Job], parameters: object) -> list[Handle]:
            sizes.append(len(jobs))
            return [Handle(number) for number in range(len(jobs))]

        monkeypatch.setattr(made, "_array", array)
        list(made._submit([job(" " * n) for n in range(5)]))
    assert sizes == [2, 2, 1]
    held = json.loads((tmp_path / "cluster" / "submitted.json").read_text())
    assert [item["queued"] for item in held] == ["1_0", "1_1", "2_0", "2_1", "3_0"]
