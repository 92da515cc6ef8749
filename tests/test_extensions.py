"""A measurement, a table, a data set and an executor of a user's own: one file each, outside the package."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate import extensions
from ablate.measurements.register import is_known, measurement

pytestmark = pytest.mark.usefixtures("undrawn")

MEASUREMENT = '''
"""`brightness`: what the stem makes of a grey image."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import Field

from ablate.layout.settings import Model
from ablate.measurements.base import Measurement
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity


class Brightness(Model):
    """The mean of the stem's output on an image of one grey."""

    greys: tuple[float, ...] = Field(default=(0.5,), description="Greys from 0 to 1.")


class Grey(Model):
    """One grey."""

    grey: float
    resolution: int


@dataclass(frozen=True)
class Mean(Values):
    """The mean."""

    mean: float


def conditions(settings, scope) -> Iterator[Grey]:
    for grey in settings.greys:
        yield Grey(grey=grey, resolution=scope.input.resolution)


def run(task, progress) -> Mean:
    torch.manual_seed(0)
    model = task.layout.build(task.classes, task.channels)
    size = task.condition.resolution
    image = torch.full((1, task.channels, size, size), task.condition.grey)
    return Mean(float(model.stem(image).mean()) + sum(task.layout.depths))


register(
    Measurement(
        name="brightness",
        title="brightness after the stem",
        settings=Brightness,
        condition=Grey,
        values=Mean,
        quantities=(Quantity("brightness", "Brightness", "", "Mean of the stem's output.", "mean"),),
        runner=f"{__name__}:run",
        where="pool",
        conditions=conditions,
    )
)
'''
TABLE = '''
"""A table of brightness."""

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.cells import measured, stored
from ablate.report.register import table
from ablate.report.table import Cell, Column, Table


@table("brightness", order=200)
def brightness_table(results):
    """One row a cell."""
    planned = results.planned("brightness")
    if not planned:
        return None
    wanted = quantity("brightness")
    rows = tuple((Cell(record.layout), measured(record, wanted)) for record in planned)
    values = [(record.layout, record.at("grey"), stored(record, wanted)) for record in planned]
    raw = pd.DataFrame(values, columns=["layout", "grey", "mean"])
    columns = (Column("Layout", left=True), Column(wanted.title))
    return Table("brightness", "Brightness", "Of a grey image.", columns, rows, raw)
'''
DATASET = '''
"""`stripes`: which way do they run?"""

from ablate.data.register import dataset


@dataset("stripes", flip=False)
def stripes(request, *, size: int = 8):
    """Stripes along one of two directions."""
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit

    def split(number: int) -> TensorSplit:
        labels = torch.arange(number) % 2
        lines = (torch.arange(size) % 2 * 255).to(torch.uint8).expand(size, size)
        images = torch.stack([lines if label else lines.T for label in labels]).unsqueeze(1)
        return TensorSplit(images, labels)

    return Splits(train=split(64), test=split(16), classes=("across", "along"))
'''
EXECUTOR = '''
"""`twice`: this machine, and a word about every job."""

from pathlib import Path

from ablate.run.executors.base import executor, unwatched
from ablate.run.executors.local import LocalExecutor


@executor("twice")
class Noted(LocalExecutor):
    """Runs as the local one does, and notes the kinds of its jobs."""

    def run(self, jobs, watch=unwatched):
        for job, outcome in super().run(jobs, watch):
            with open(Path(self.setup.folder) / "noted.txt", "a") as file:
                file.write(f"{job.kind}\\n")
            yield job, outcome
'''
STUDY = """\
study: own
input: {resolution: 16, channels: 1, classes: 2}
extensions: [brightness.py, its_table.py, stripes.py, noted.py]
defaults: {stem: overlap(stride=2), widths: [8], mlp_ratio: 1}
layouts:
  shallow: {layout: pool, depths: 1}
  deep: {layout: pool, depths: 3}
measure:
  brightness: {greys: [0.25, 0.75]}
  accuracy: {dataset: stripes(size=16), epochs: 1, seeds: 1, batch: 32, precision: fp32}
search:
  objectives: [maximize brightness, minimize macs]
  space: {depths: [[1, 2]], patterns: [pool]}
  trials: 2
"""


@pytest.fixture
def run_ablate(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.getfixturevalue("ablate")  # by a name that does not hide the package


@pytest.fixture
def study(tmp_path: Path) -> Path:
    files = {"brightness.py": MEASUREMENT, "its_table.py": TABLE, "stripes.py": DATASET, "noted.py": EXECUTOR}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "own.yaml").write_text(STUDY)
    return tmp_path / "own.yaml"


def test_a_study_of_ones_own_parts(run_ablate: Callable[..., Any], study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run_ablate("run", study, "--out", out, "--executor", "twice", "--workers", 1)
    assert ended.code == 0, ended.err
    with (out / "tables" / "brightness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["layout"], row["grey"]) for row in rows] == [
        ("shallow", "0.25"), ("deep", "0.25"), ("shallow", "0.75"), ("deep", "0.75"),
    ]  # fmt: skip
    means = [float(row["mean"]) for row in rows]
    assert means[1] - means[0] == pytest.approx(2, abs=1e-5)
    assert set((out / "noted.txt").read_text().split()) == {"brightness", "accuracy"}
    assert "brightness after the stem" in (out / "report.html").read_text()
    frame = ablate.load_results(out)
    assert set(frame["quantity"]) >= {"brightness", "accuracy"}
    assert frame[frame["quantity"] == "brightness"]["value"].tolist() == pytest.approx(means)
    again = run_ablate("run", study, "--out", out, "--workers", 1)
    assert "0 cells executed, 6 reused" in again.out


def test_its_quantity_is_an_objective(run_ablate: Callable[..., Any], study: Path, tmp_path: Path) -> None:
    ended = run_ablate("search", study, "--out", tmp_path / "found", "--workers", 1)
    assert ended.code == 0, ended.err
    with (tmp_path / "found" / "tables" / "search.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert all(float(trial["brightness"]) >= 1 for trial in trials)


def test_a_mistake_in_its_settings_has_a_place(run_ablate: Callable[..., Any], study: Path) -> None:
    study.write_text(STUDY.replace("greys:", "grays:"))
    ended = run_ablate("check", study)
    assert ended.code == 2
    assert "own.yaml:9:16: unknown key 'grays'; did you mean 'greys'?" in ended.err


def test_its_settings_are_in_the_schema(run_ablate: Callable[..., Any], study: Path) -> None:
    run_ablate("check", study)
    schema = json.loads(run_ablate("schema").out)
    assert "brightness" in schema["$defs"]["Measure"]["properties"]


def test_installed_extensions_are_found(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(study.parent))
    entry = EntryPoint("brightness", "brightness", extensions.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [entry])
    extensions.load_installed.cache_clear()
    assert not is_known("brightness")
    assert extensions.load_installed() == ("brightness",)
    assert measurement("brightness").title == "brightness after the stem"
    extensions.load_installed.cache_clear()
