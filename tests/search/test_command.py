"""`ablate search` as a user calls it, with real training on digits."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

from typer.testing import CliRunner

from ablate.cli import costs, status, studies  # noqa: F401  (the commands register themselves)
from ablate.cli.app import app
from ablate.search import SearchSpace
from ablate.study.load import load_study
from ablate.study.shipped import find_study

TEXT = """\
study: tiny
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), mlp_ratio: 1, head_dim: 8}
search:
  objectives: [minimize macs, maximize accuracy]
  constraints: [params <= 12k, macs <= 1M]
  space:
    depths: [[1, 2]]
    widths: [[16, 32]]
    patterns: [conv, conv pool]
  trials: 3
measure:
  accuracy: {dataset: digits, resolution: 8, epochs: 1, seeds: 1, subset: 128}
"""


def rows(out: Path) -> int:
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        return int(ledger.execute("SELECT COUNT(*) FROM rows").fetchone()[0])


def test_a_search_from_the_command_line(tmp_path: Path) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "out"
    file.write_text(TEXT)
    run = CliRunner().invoke
    done = run(app, ["search", str(file), "--out", str(out), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "3 trials" in done.output
    assert "of 100 random points of the space are within the exact bounds" in done.output
    with (out / "tables" / "search.csv").open() as table:
        front = [row for row in csv.DictReader(table) if row["on_front"] == "True"]
    assert front
    assert all(float(row["params"]) <= 12_000 and 0 <= float(row["accuracy"]) <= 100 for row in front)
    for name in (
        "tables/search.md",
        "tables/search.tex",
        "figures/pareto.png",
        "figures/pareto.pdf",
        "report.html",
    ):
        assert (out / name).stat().st_size > 0
    assert run(app, ["check", str(out / "best.yaml")]).exit_code == 0
    best = load_study(out / "best.yaml")
    assert set(best.layouts) == {row["layout"] for row in front}

    before = rows(out)
    again = run(app, ["search", str(file), "--out", str(out)])
    assert again.exit_code == 0, again.output
    assert rows(out) == before
    state = run(app, ["status", str(file), "--out", str(out)]).output
    known = json.loads(run(app, ["status", str(file), "--out", str(out), "--json"]).output)
    settled = sum(known["trials"].values())
    assert settled == load_study(file).search.trials
    assert f"search: {settled} of {settled} trials ({known['trials']['done']} done" in state
    # the search has chosen by validation images; the best layouts are still to be tested
    counts = json.loads(run(app, ["status", str(out / "best.yaml"), "--out", str(out), "--json"]).output)
    assert (counts["done"], counts["missing"]) == (0, len(best.layouts))
    assert best.measure.accuracy.judge == "test"
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        conditions = ledger.execute("SELECT condition FROM rows WHERE kind = 'accuracy'").fetchall()
    assert {json.loads(condition)["judge"] for (condition,) in conditions} == {"validation"}


def test_nothing_found_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TEXT.replace("params <= 12k", "params <= 1k"))
    done = CliRunner().invoke(app, ["search", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "no layout kept to the bounds" in done.output


def test_the_shipped_search_is_valid() -> None:
    study = load_study(find_study("search"))
    assert study.search is not None
    assert study.search.trials < SearchSpace.of(study).size
