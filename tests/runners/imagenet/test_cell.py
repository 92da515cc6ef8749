"""ImageNet as a measurement, through the command line on a small folder: recipes of layouts, one line without
images, a whole run, and one that is stopped."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import AblateError
from ablate.measurements.base import Scope
from ablate.measurements.fields import Input
from ablate.measurements.imagenet import IMAGENET, ImageNet
from ablate.run.plan import plan
from ablate.study.load import load_study
from ablate.study.shipped import shipped_studies

pytestmark = pytest.mark.usefixtures("undrawn")

Command = Callable[..., Any]
STUDY = """\
study: small
input: {{resolution: 32, classes: 3}}
defaults: {{widths: [8, 8, 8, 8], depths: 1, mlp_ratio: 1}}
layouts: {{a: conv, b: pool}}
measure:
  complexity: {{resolutions: [32]}}
  imagenet: {{recipe: rsb-a3, recipes: {{b: deit300}}, {data}, batch: 8, workers: 0, precision: fp32,
             device: cpu, stop_after: 1}}
"""


def test_every_layout_goes_by_its_own_recipe() -> None:
    study = load_study(shipped_studies()["imagenet"])
    recipes = {cell.layout: cell.condition.recipe for cell in plan(study) if cell.kind == "imagenet"}
    assert len(recipes) == len(study.layouts) == sum(cell.kind == "imagenet" for cell in plan(study))
    assert recipes["linglo-b1"] == recipes["pvt_v2_b1"] == "pvtv2-300"
    assert recipes["poolformer_s12"] == "poolformer-300"
    assert recipes["resnet50"] == "rsb-a3"


def test_another_layout_s_recipe_is_no_part_of_a_key() -> None:
    """What a run of 300 epochs came to is not stale because another layout changed its recipe."""
    scope = Scope(Input(), ("a", "b", "c"), "a")

    def of_a(**recipes: Any) -> dict[str, Any]:
        conditions = IMAGENET.conditions(ImageNet(recipe="deit300", recipes=recipes), scope)
        (own,) = [condition for condition in conditions if IMAGENET.applies(condition, "a")]
        return own.model_dump()

    assert of_a() == of_a(b="rsb-a3", c="rsb-a3")
    assert of_a() != of_a(a="rsb-a3")
    with pytest.raises(AblateError, match="there is no layout 'bb'; did you mean 'b'"):
        of_a(bb="rsb-a3")


def test_without_images_one_line_says_where_they_must_lie(
    ablate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGENET", raising=False)
    file = tmp_path / "s.yaml"
    for data, message in (
        ("seeds: 1", "where is ImageNet? Give data: PATH or set IMAGENET=PATH"),
        (
            f"data: {tmp_path / 'none'}",
            "none: there is no such folder; ImageNet must lie there as train/CLASS",
        ),
    ):
        file.write_text(STUDY.format(data=data))
        for command in (("check", file), ("run", file, "--out", tmp_path / "out")):
            ended = ablate(*command)
            assert ended.code == 2
            assert message in ended.err.replace("\n", " ")
            assert "Traceback" not in ended.err


@pytest.mark.long
def test_a_run_that_is_stopped_is_no_result_and_says_so(
    ablate: Command, imagenet: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "s.yaml", tmp_path / "out"
    file.write_text(STUDY.format(data=f"data: {imagenet}"))
    assert "3 classes, images 24 train, 9 validation" in ablate("check", file).out
    ended = ablate("run", file, "--out", out, "--workers", 1)
    assert ended.code == 1
    with (out / "tables" / "missing.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["kind"] == "imagenet"]
    assert [row["layout"] for row in rows] == ["a", "b"]
    assert {row["reason"] for row in rows} == {
        "stopped after 1 steps as `stop_after` asks, which is no result"
    }
    with (out / "tables" / "imagenet.csv").open() as table:
        assert {(row["recipe"], row["imagenet_top1_percent_mean"]) for row in csv.DictReader(table)} == {
            ("rsb-a3", ""),
            ("deit300", ""),
        }


@pytest.mark.long
def test_a_whole_run(ablate: Command, imagenet: Path, tmp_path: Path) -> None:
    """A hundred epochs of one step: the recipe as it is published, but for its batch."""
    few = tmp_path / "few"
    for split, label in ((split, label) for split in ("train", "val") for label in range(2)):
        folder = few / split / f"n{label:08}"
        folder.mkdir(parents=True)
        for name in ("0.JPEG", "1.JPEG"):
            (folder / name).write_bytes((imagenet / split / folder.name / name).read_bytes())
    text = STUDY.format(data=f"data: {few}").replace(", stop_after: 1", "")
    text = text.replace("recipes: {b: deit300}, ", "")
    file, out = tmp_path / "s.yaml", tmp_path / "out"
    file.write_text(text.replace("batch: 8", "batch: 4").replace("a: conv, b: pool", "a: pool"))
    ended = ablate("run", file, "--out", out, "--workers", 1)
    assert ended.code == 0, ended.out + ended.err
    with (out / "tables" / "imagenet.csv").open() as table:
        (row,) = csv.DictReader(table)
    assert (row["recipe"], row["batch"]) == ("rsb-a3", "4")
    assert 0 <= float(row["imagenet_top1_percent_mean"]) <= 100
    assert json.loads(ablate("status", file, "--out", out, "--json").out)["done"] == 2
    assert not list(out.glob("checkpoints/*/*"))
