"""Every study that comes with the suite runs through the command line, in small; so does one with a block of
the user's own in every measurement."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ablate.study.shipped import shipped_studies

Command = Callable[..., Any]
FASHION = Path("/usr/share/datasets/fashion-mnist")

# What makes a study small and leaves its shape: every kind of measurement, of fewer and cheaper cells.
SMALL: dict[str, dict[str, Any]] = {
    "complexity": {"resolutions": [32, 64]},
    "memory": {"resolutions": [32], "measured_up_to": 32, "batch": 2},
    "throughput": {"resolutions": [32], "batch": 1, "processes": 2, "rounds": 1, "seconds": 0.05},
    # not smaller: on maps of 1 x 1, PyTorch's bf16 training on a CPU does not repeat itself and may give NaN
    "accuracy": {"resolution": 32, "epochs": 1, "seeds": 1, "subset": 64, "batch": 32},
    "diagnostics": {"images": 64, "batch": 32, "seeds": 1, "tasks": ["recall(test_images=32)"]},
    "receptive_field": {"images": 64, "batch": 32, "seeds": 1, "probes": 4},
    "dense": {"memory": False},
    "detection": {"size": 32, "steps": 2, "batch": 2, "test_images": 4, "seeds": 1},
    "segmentation": {"size": 32, "steps": 2, "batch": 2, "test_images": 4, "seeds": 1},
}
# Studies whose measurements and tables others have too: each change checks them, `make check-long` runs them.
LIKE_OTHERS = (
    "ablation", "alternate-vs-graft", "alternate-vs-graft-tasks", "audit", "backbones", "claims",
    "classic-layouts", "dense", "detection", "ladder", "linglo", "linglo-choices", "scaling", "search",
    "seconds-75", "seconds-700",
)  # fmt: skip
FASHIONABLE = ("alternate-vs-graft",)  # stays on Fashion-MNIST, whose 10,000 test images take a layout 10 s
OWN = '''
from torch import nn

import blocks


@blocks.register("mixer", "spread")
class Spread(nn.Module):
    """A depthwise convolution."""

    def __init__(self, dim: int, *, kernel: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, x):
        return self.conv(x)
'''
OWN_STUDY = """\
study: own
input: {resolution: 16, channels: 1, classes: 10}
blocks: [spread.py]
defaults: {stem: overlap(stride=2), widths: [8, 16], depths: [1, 2], mlp_ratio: 1}
layouts:
  own: spread(kernel=5)
  mixed: {stages: "[spread pool]*2 | spread"}
match: {params: 8k, tolerance: 10%}
measure:
  complexity: {resolutions: [16], audit: true}
  memory: {resolutions: [16], measured_up_to: 16}
  throughput: {resolutions: [16], modes: training, batch: 2, processes: 2, rounds: 1, seconds: 0.05}
  accuracy: {dataset: digits, resolution: 8, epochs: 1, seeds: 2, subset: 64, batch: 32, precision: fp32}
"""


def shrunk(data: dict[str, Any]) -> dict[str, Any]:
    """The study with fewer layouts, smaller images and shorter measurements."""
    data["input"]["resolution"] = min(data["input"]["resolution"], 64)
    layouts, baseline = data.get("layouts", {}), data.get("report", {}).get("baseline", "")
    for word, values in data.get("vary", {}).items():  # the baseline's first; one will do for two layouts
        values.sort(key=lambda value: baseline not in [name.replace(f"${word}", value) for name in layouts])
        del values[1 if len(layouts) > 1 else 2 :]
    if "vary" not in data and layouts:
        foreign = [name for name, entry in layouts.items() if str(entry).startswith("timm:")]
        own = [name for name in layouts if name not in foreign]
        kept = own[:1] + foreign[:1] if foreign else own[:2]
        data["layouts"] = layouts = {name: layouts[name] for name in kept}
        if baseline and baseline not in layouts:
            data["report"]["baseline"] = kept[-1]
    data.pop("expect", None)  # what is said of the layouts and sizes that are left out
    if "claims" in data:
        data["claims"] = {"not tested in small": []}
    if "ablation" in data:
        given = data["ablation"]
        alone = given if "changes" in given else next(iter(given.values()))
        data["ablation"] = {**alone, "changes": dict(list(alone["changes"].items())[:2])}
    if "ladder" in data:
        data["ladder"]["scales"] = [0.5, 1]
    data["measure"].pop("imagenet", None)  # needs ImageNet; tests/runners/imagenet runs it on a small folder
    for kind, options in data["measure"].items():
        resolutions = len(options.get("resolutions", ()))
        if kind == "accuracy":
            options.pop("images", None)  # the budget is in epochs
            options.pop("core_seconds", None)
        options |= copy.deepcopy(SMALL.get(kind, {}))
        if options.get("dataset") == "fashion-mnist" and data["study"] not in FASHIONABLE:
            options["dataset"] = "digits"  # as many classes and channels, and 28 times fewer test images
        if kind == "accuracy" and (options.get("judge") == "validation" or "search" in data):
            options["subset"] = 128  # a tenth is kept
        if kind == "complexity":
            del options["resolutions"][max(1, resolutions) :]
        if "modes" in options:
            options["modes"] = options["modes"][-1]
    if "search" in data:
        data["search"] |= {"trials": 3, "final": {"layouts": 2, "seeds": 1}}
        data["search"].pop("rungs", None)  # the shrunk schedule is shorter than the first of them
    return data


def ledger_of(folder: Path) -> dict[str, Path]:
    """What a run must leave behind: in each group there is something, and nothing is empty."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {"ledger.sqlite", "report.html"} <= set(files)
    assert all(path.stat().st_size > 0 for name, path in files.items() if not name.endswith(".lock"))
    tables = {name.rpartition(".")[0] for name in files if name.startswith("tables/")}
    assert tables
    assert all(f"{table}.{form}" in files for table in tables for form in ("csv", "md", "tex"))
    figures = {name.rpartition(".")[0] for name in files if name.startswith("figures/")}
    assert figures
    assert all(f"{figure}.{form}" in files for figure in figures for form in ("png", "pdf"))
    return files


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name in LIKE_OTHERS else name
        for name in sorted(shipped_studies())
    ],
)
def test_a_shipped_study_runs(ablate: Command, tmp_path: Path, name: str) -> None:
    yaml = YAML(typ="safe")
    data = shrunk(yaml.load(shipped_studies()[name]))
    dataset = data["measure"].get("accuracy", {}).get("dataset", "digits")
    if dataset == "fashion-mnist" and not FASHION.is_dir():
        pytest.skip(f"needs Fashion-MNIST in {FASHION}")
    file, out = tmp_path / f"{name}.yaml", tmp_path / "out"
    yaml.dump(data, file)

    ended = ablate("search" if "search" in data else "run", file, "--out", out, "--workers", 1)
    assert ended.code == 0, ended.out + ended.err
    files = ledger_of(out)
    if "search" in data:
        assert "3 trials" in ended.out
        assert ablate("check", out / "best.yaml").code == 0
        assert "tables/search.csv" in files
        return
    counts = json.loads(ablate("status", file, "--out", out, "--json").out)
    assert counts["done"] > 0
    assert counts["failed"] == counts["stale"] == counts["missing"] == 0
    with files["tables/main.csv"].open() as table:
        assert {row["layout"] for row in csv.DictReader(table)} == set(
            json.loads(ablate("show", file, "--json").out)
        )


@pytest.mark.long
def test_a_block_of_the_user_s_in_every_measurement(
    ablate: Command, tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    (tmp_path / "spread.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(OWN_STUDY)
    out = tmp_path / "out"
    ended = ablate("run", tmp_path / "own.yaml", "--out", out, "--workers", 1)
    assert ended.code == 0, ended.out + ended.err
    ledger_of(out)
    counts = json.loads(ablate("status", tmp_path / "own.yaml", "--out", out, "--json").out)
    # of two layouts: 1 resolution, 4 audits, 2 modes x 2 kernels, 1 time, 2 seeds
    assert counts == {"done": 2 * (1 + 4 + 4 + 1 + 2), "failed": 0, "stale": 0, "missing": 0}
    again = ablate("run", tmp_path / "own.yaml", "--out", out)
    assert f"0 cells executed, {counts['done']} reused, 0 failed" in again.out
    assert again.code == 0
