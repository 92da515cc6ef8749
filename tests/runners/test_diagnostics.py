"""Diagnostic tasks and receptive fields as a study measures them, through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Command = Callable[..., Any]
STUDY = """\
input: {resolution: 32, channels: 3, classes: 10}
defaults: {stem: overlap(stride=2), widths: [16], depths: [1], head_dim: 8, mlp_ratio: 2, ffn: mlp}
layouts: {a: softmax, b: conv(kernel=3)}
measure:
  diagnostics: {tasks: ["recall(pairs=[2, 4], test_images=64)"], images: 256, batch: 32, seeds: 2}
  receptive_field: {dataset: digits, resolution: 28, images: 256, batch: 32, probes: 4, seeds: 1}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "study.yaml"
    path.write_text(STUDY)
    return path


def test_both_run_and_are_shown(ablate: Command, study: Path) -> None:
    out = study.parent / "out"
    done = ablate("run", str(study), "--out", str(out), "--workers", "1")
    assert done.code == 0, done.err
    tasks = pd.read_csv(out / "tables" / "diagnostics.csv")
    assert set(tasks.layout) == {"a", "b"}
    assert set(tasks.seeds) == {2}
    whole = tasks[tasks.difficulty == "all"]
    assert len(whole) == 2
    assert whole.accuracy_percent.between(0, 100).all()
    for layout, rows in tasks[tasks.difficulty != "all"].groupby("layout"):
        mean = whole[whole.layout == layout].accuracy_percent.item()
        assert rows.accuracy_percent.min() - 1e-9 <= mean <= rows.accuracy_percent.max() + 1e-9
    fields = pd.read_csv(out / "tables" / "receptive_field.csv")
    assert set(fields.layout) == {"a", "b"}
    assert (out / "figures" / "diagnostics.png").stat().st_size > 1000
    assert (out / "figures" / "receptive_field.png").stat().st_size > 1000
    again = ablate("run", str(study), "--out", str(out), "--workers", "1")
    assert again.out.startswith("0 cells executed")


def test_a_wrong_task_has_its_place(ablate: Command, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("recall(pairs=[2, 4]", "recal(pairs=[2, 4]"))
    done = ablate("check", str(path))
    assert done.code == 2
    assert "recall" in done.err
    assert ":5:" in done.err
