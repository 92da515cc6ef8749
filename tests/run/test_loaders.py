"""Image loading inside workers: it ends, it names what it stumbles over, and it leaves no process behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.run.executors.base import Setup
from ablate.run.executors.local import LocalExecutor
from ablate.run.records import Job, Outcome

STUDY = """
input: {resolution: 32, classes: 2}
defaults: {widths: [8, 16], depths: [1, 1]}
layouts: {a: conv}
blocks: [mine.py]
measure:
  accuracy: {dataset: folder:pets, resolution: 32, epochs: 1, seeds: 2, batch: 8}
"""
BLOCK = """
from torch import nn
import blocks
@blocks.register("mixer", "mine")
class Mine(nn.Identity):
    def __init__(self, dim: int):
        super().__init__()
"""
STREAM = "import ablate.data.files\nablate.data.files.IN_MEMORY = 0\n"
SLOW = """
import time
from pathlib import Path
import ablate.data.folder as folder
decode = folder.DecodedImages.__getitem__
def slowly(self, index):
    Path("begun").touch()
    time.sleep(60)
    return decode(self, index)
folder.DecodedImages.__getitem__ = slowly
"""
LOADER = """
import multiprocessing, os, time
from pathlib import Path
from torch.utils.data import DataLoader
class Images:
    def __len__(self):
        return 8
    def __getitem__(self, index):
        {item}
multiprocessing.current_process()  # a job may use any way to start processes
for batch in DataLoader(Images(), batch_size=2, num_workers=2, multiprocessing_context="fork"):
    pass
raise RuntimeError("read everything")
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[int]]]:
    """The processes that this test has started and that still run; whatever happens, they end with it."""
    token = uuid.uuid4().hex
    monkeypatch.setenv("ABLATE_TEST_FAMILY", token)

    def running() -> list[int]:
        members = []
        for entry in Path("/proc").iterdir():
            try:
                inherits = entry.name.isdigit() and token.encode() in (entry / "environ").read_bytes()
                zombie = inherits and (entry / "stat").read_text().rpartition(") ")[2][0] == "Z"
            except OSError:  # it ended meanwhile, or it is somebody else's
                continue
            if inherits and not zombie and int(entry.name) != os.getpid():
                members.append(int(entry.name))
        return members

    def end() -> None:
        for pid in running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    too_long = threading.Timer(120, end)  # whoever waits for them fails then, and does not wait for ever
    too_long.start()
    yield running
    too_long.cancel()
    end()


def pets(folder: Path, source: str) -> Path:
    """A study on a folder of 48 images in two classes, with a user's file."""
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (folder / "pets" / split / name).mkdir(parents=True)
            for index in range(12):
                pixels = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "pets" / split / name / f"{index}.png")
    (folder / "mine.py").write_text(BLOCK + source)
    (folder / "pets.yaml").write_text(STUDY)
    return folder


def start(folder: Path, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ablate.cli", "run", "pets.yaml", "--out", "out", "--workers", str(workers)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "workers"),
    [pytest.param("", 1, id="in memory"), pytest.param(STREAM, 2, id="streaming")],
)
def test_a_study_on_a_folder_ends(
    tmp_path: Path, family: Callable[[], list[int]], source: str, workers: int
) -> None:
    out, err = start(pets(tmp_path, source), workers).communicate(timeout=120)
    assert "2 cells executed, 0 reused, 0 failed" in out, err
    assert family() == []


@pytest.mark.long
@pytest.mark.parametrize(
    "source", [pytest.param(SLOW, id="in memory"), pytest.param(STREAM + SLOW, id="streaming")]
)
def test_nothing_is_left_of_a_killed_study(
    tmp_path: Path, family: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool], source: str
) -> None:
    driver = start(pets(tmp_path, source), workers=1)
    assert until(lambda: (tmp_path / "begun").exists()), "no image was decoded"
    assert len(family()) >= 2, "the driver and its worker"
    driver.kill()
    driver.communicate(timeout=30)
    assert until(lambda: family() == []), "processes go on without their driver"


def job(folder: Path, item: str) -> Job:
    """A job whose code is a user's, with a `DataLoader` of the user's."""
    path = folder / f"user_{uuid.uuid4().hex}.py"
    path.write_text(LOADER.format(item=item))
    return Job("", "ablate.runners.complexity:run", {}, {}, extensions=(str(path),))


def outcome_of(job: Job, timeout: float = 60) -> Outcome:
    with LocalExecutor(Setup(workers=1, timeout=timeout)) as executor:
        ((_, outcome),) = executor.run([job])
    return outcome


def test_any_loader_of_a_job_ends(tmp_path: Path, family: Callable[[], list[int]]) -> None:
    with LocalExecutor(Setup(workers=1, timeout=60)) as executor:
        jobs = [
            job(tmp_path, item) for item in ("return index", "raise ValueError(f'image {index} is broken')")
        ]
        reasons = {done.id: outcome.reason for done, outcome in executor.run(jobs)}
    assert reasons[jobs[0].id] == "RuntimeError: read everything"
    assert reasons[jobs[1].id] == "ValueError: image 0 is broken"
    assert family() == []


HANGS = "Path({begun!r}).touch(); time.sleep(600)"


def test_loaders_end_with_their_worker(
    tmp_path: Path, family: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool]
) -> None:
    """Killed from outside, the worker is a crash that is seen at once, and its loader's processes end too."""
    item = HANGS.format(begun=str(tmp_path / "begun")) + "; os.kill(os.getppid(), 9); time.sleep(600)"
    outcome = outcome_of(job(tmp_path, item.replace("time.sleep(600)", "time.sleep(0.1)", 1)))
    assert outcome.status == "crashed"
    assert "SIGKILL" in outcome.reason
    assert until(lambda: family() == []), "the loader goes on without its worker"


def test_loaders_end_with_a_time_out(
    tmp_path: Path, family: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool]
) -> None:
    assert outcome_of(job(tmp_path, "time.sleep(600)"), timeout=1).status == "timeout"
    assert until(lambda: family() == []), "the loader goes on after its time-out"


def test_loaders_end_with_their_driver(
    tmp_path: Path, family: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool]
) -> None:
    item = HANGS.format(begun=str(tmp_path / "begun"))
    (tmp_path / "job.json").write_text(json.dumps(job(tmp_path, item).to_json()))
    script = """
        import json, sys
        from ablate.run.executors.base import Setup
        from ablate.run.executors.local import LocalExecutor
        from ablate.run.records import Job
        list(LocalExecutor(Setup(workers=1)).run([Job.from_json(json.load(open(sys.argv[1])))]))
    """
    driver = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "job.json")])
    assert until(lambda: (tmp_path / "begun").exists()), "the loader has not begun"
    assert len(family()) >= 4, "the driver, its worker, and the two processes of its loader"
    driver.kill()
    driver.wait(30)
    assert until(lambda: family() == []), "the loader goes on without its driver"
