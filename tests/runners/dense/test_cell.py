"""Detection and segmentation as measurements: cells, weights of the accuracy run, bad data in one line,
tables; all through the command line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data import load
from ablate.measurements.accuracy import AccuracyCondition
from ablate.report.register import figure_entries, table_entries
from ablate.report.results import Results
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.runners.accuracy import train
from ablate.runners.dense.run import classifier_weights
from ablate.runners.token_head import network_for
from ablate.study.load import load_study

Command = Callable[..., Any]
STUDY = """\
study: small
input: {resolution: 32, classes: 4}
defaults: {widths: [8, 8, 16, 16], depths: 1, mlp_ratio: 1}
layouts: {a: conv, b: pool}
measure:
  accuracy: {dataset: FOLDER, resolution: 32, images: 16, batch: 8, seeds: 1, precision: fp32, device: cpu}
  dense: {memory: false}
  segmentation: {dataset: "cutouts:shapes", size: 32, steps: 2, batch: 2, test_images: 4, seeds: 2,
                 pretrain: accuracy}
  detection: {dataset: "cutouts:shapes", size: 32, steps: 2, batch: 2, test_images: 4, seeds: 1}
report: {baseline: a}
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    """The study, with a classification set in colour."""
    random = np.random.default_rng(0)
    for split, label, number in product(("train", "test"), (0, 1), range(8)):
        folder = tmp_path / "few" / split / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 99, (32, 32, 3), dtype=np.uint8)
        pixels[..., label] += 150
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return STUDY.replace("FOLDER", str(tmp_path / "few"))


def test_a_study_of_dense_tasks(ablate: Command, tmp_path: Path, study: str) -> None:
    file, out = tmp_path / "s.yaml", tmp_path / "out"
    file.write_text(study)
    checked = ablate("check", file)
    assert checked.code == 0, checked.err
    assert "segmentation: cutouts:shapes: 5 classes" in checked.out
    ended = ablate("run", file, "--out", out, "--workers", 1)
    assert ended.code == 0, ended.out + ended.err
    with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
        results = Results.of(ledger)
    (first,) = results.done("segmentation", layout="a", seed=1)
    assert first.values.weights == "accuracy run"
    assert first.condition.classifier == next(iter(results.done("accuracy"))).condition.model_copy(
        update={"seed": 1}
    )
    (plain,) = results.done("detection", layout="a")
    assert plain.values.weights == "none"
    tables = {entry.name: entry.make(results) for entry in table_entries()}
    for kind, column in (("segmentation", "miou_percent"), ("detection", "ap_percent")):
        table: Any = tables[kind]
        assert list(table.raw["layout"]) == ["a", "b"]
        scores = [
            getattr(r.values.scores, column.removesuffix("_percent")) for r in results.done(kind, layout="b")
        ]
        assert table.raw[f"{column}_mean"][1] == pytest.approx(sum(scores) / len(scores))
        assert any("schedule short: 2 steps of 2 images" in note for note in table.notes)
    costs: Any = tables["dense"]
    assert "retinanet_macs" in costs.raw
    assert (costs.raw["semantic_fpn_macs"] > costs.raw["backbone_512_macs"]).all()
    assert {"RetinaNet, 1280 × 800, 80 classes", "Semantic FPN, 512 × 512, 150 classes"} <= {
        column.group for column in costs.columns
    }
    assert "dense_curves" in {entry.name for entry in figure_entries()}
    assert (out / "figures" / "dense_curves.png").stat().st_size > 0
    with (out / "tables" / "segmentation.csv").open() as text:
        assert [row["seeds_finished"] for row in csv.DictReader(text)] == ["2", "2"]


def test_the_classifier_is_that_of_the_accuracy_cell(tmp_path: Path, study: str) -> None:
    """Its weights are what the accuracy run itself ends with, bit for bit, seed by seed."""
    (tmp_path / "s.yaml").write_text(study)
    loaded = load_study(tmp_path / "s.yaml")
    (cell,) = [c for c in plan(loaded) if c.layout == "a" and c.kind == "accuracy"]
    condition = cell.condition
    assert isinstance(condition, AccuracyCondition)
    dataset = load(condition.dataset, resolution=condition.resolution)
    trained: list[torch.nn.Module] = []
    train(lambda: network_for(loaded.layouts["a"], dataset), dataset, condition, on_trained=trained.append)
    wanted = trained[0].state_dict()
    weights = classifier_weights(loaded.layouts["a"], condition)
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in weights.items())
    other = classifier_weights(loaded.layouts["a"], condition.model_copy(update={"seed": 1}))
    assert not all(torch.equal(value, wanted[name]) for name, value in other.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("cutouts:shapes", "cutout:shapes"),
            "unknown set for segmentation 'cutout'; did you mean 'cutouts'",
        ),
        (("cutouts:shapes", "coco:x"), "it is not for segmentation"),
        (("steps: 2", "schedule: 40k, steps: 2"), "schedule 40k is a published one"),
        (("pretrain: accuracy", "pretrain: none.pt"), "pretrain: none.pt: there is no such file"),
        (("  accuracy:", "  # accuracy:"), "takes the weights of the study's `accuracy`"),
        (("cutouts:shapes", "masks:nowhere"), "needs one class name a line"),
    ],
)
def test_mistakes_are_one_line_before_anything_runs(
    ablate: Command, tmp_path: Path, study: str, change: tuple[str, str], message: str
) -> None:
    file = tmp_path / "s.yaml"
    head, _, tail = study.partition("  segmentation:")
    file.write_text(
        head.replace(*change) + "  segmentation:" + tail.replace(*change, 1).replace("size: 32, ", "", 1)
    )
    ended = ablate("run", file, "--out", tmp_path / "out")
    assert ended.code == 2
    assert message in ended.err.replace("\n", " ")
    assert "Traceback" not in ended.err
