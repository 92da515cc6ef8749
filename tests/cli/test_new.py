"""`ablate new` and `ablate export`: every study to begin from is valid, and the numbers leave as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate import load_results
from ablate.questions import questions
from ablate.study.study import StudyFile

Command = Callable[..., Any]
LEDGER = Path(__file__).parents[2] / "results" / "linglo" / "ledger.sqlite"
KNOWN = [name for name in questions() if name != "ablation" or "ablation" in StudyFile.model_fields]


@pytest.mark.parametrize("name", KNOWN)
def test_every_study_is_valid(
    ablate: Command, tmp_path: Path, fresh_blocks: Callable[[], None], name: str
) -> None:
    path = tmp_path / "deep" / f"{name}.yaml"
    written = ablate("new", name, path)
    assert written.code == 0
    assert f"ablate check {path}" in written.out
    checked = ablate("check", path)
    assert checked.code == 0, checked.err
    assert "warning" not in checked.err
    assert path.read_text().startswith("# ")
    assert path.read_text().count("# ") >= 4  # it explains itself


def test_own_block_keeps_the_contract(
    ablate: Command, tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    ablate("new", "own-block", tmp_path / "study.yaml")
    kept = ablate("contract", "my_mixer", "--blocks", tmp_path / "my_mixer.py", "--json")
    assert [verdict for verdict in json.loads(kept.out) if not verdict["ok"]] == []


def test_questions_are_listed_and_suggested(ablate: Command) -> None:
    shown = ablate("new").out
    for entry in questions().values():
        assert entry.name in shown
        assert entry.asks in shown
    wrong = ablate("new", "compar")
    assert wrong.code == 2
    assert "did you mean 'compare'?" in wrong.err


def test_nothing_is_overwritten(ablate: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    refused = ablate("new", "compare", path)
    assert refused.code == 2
    assert str(path) in refused.err
    assert path.read_text() == "mine"
    assert ablate("new", "compare", path, "--force").code == 0
    assert path.read_text() != "mine"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(LEDGER, tmp_path)
    return tmp_path


def test_csv(ablate: Command, folder: Path) -> None:
    frame = load_results(folder)
    written = pd.read_csv(StringIO(ablate("export", folder, "--csv", "-").out))
    assert list(written.columns) == list(frame.columns)
    assert written["value"].tolist() == pytest.approx(frame["value"].tolist(), rel=0, abs=0, nan_ok=True)
    counts = written[(written["quantity"] == "params") & (written["layout"] == "linglo-b0")]
    assert counts["value"].unique().tolist() == [3_399_769]
    assert counts["unit"].isna().all()  # a number of parameters, not of millions


def test_parquet(ablate: Command, folder: Path) -> None:
    pytest.importorskip("pyarrow")
    target = folder / "numbers.parquet"
    assert ablate("export", folder, "--parquet", target).code == 0
    written = pd.read_parquet(target)
    frame = load_results(folder)
    assert written["value"].tolist() == pytest.approx(frame["value"].tolist(), rel=0, abs=0, nan_ok=True)
    assert written["layout"].tolist() == frame["layout"].tolist()


def test_parquet_without_pyarrow_is_one_line(
    ablate: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablate.report.export.importlib.util.find_spec", lambda name: None)
    ended = ablate("export", folder, "--parquet", folder / "x.parquet")
    assert ended.code == 2
    assert "pip install 'ablate-vision[parquet]'" in ended.err


def test_export_says_where_to(ablate: Command, folder: Path) -> None:
    assert ablate("export", folder).code == 2
    assert "there is no ledger at" in ablate("export", folder / "nowhere", "--csv", "-").err
