"""A second run leaves the report of the first; whatever a report shows makes it anew when it changes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.report import fresh
from ablate.report.fresh import FILE, is_fresh, keep_fresh, made_from
from ablate.run.ledger import Ledger

pytestmark = pytest.mark.usefixtures("undrawn")
STUDY = """\
layouts:
  a: {layout: conv, widths: 8, depths: 1}
  b: {layout: pool, widths: 8, depths: 1}
measure:
  complexity: {resolutions: [16]}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "it.yaml"
    file.write_text(STUDY)
    return file


def test_a_finished_study_keeps_its_report(ablate: Callable, study: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert ablate("run", study, "--out", out).code == 0
    page = out / "report.html"
    whole = page.read_bytes()
    page.write_bytes(b"as it was")
    assert f"report: {page}" in ablate("run", study, "--out", out).out
    assert page.read_bytes() == b"as it was"
    assert ablate("report", out).code == 0  # this one always writes
    assert page.read_bytes() == whole


@pytest.mark.parametrize("change", ["layout", "title", "row", "page", "mark", "code", "unreadable"])
def test_what_a_report_shows_makes_it_anew(
    change: str, ablate: Callable, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    ablate("run", study, "--out", out)
    page = out / "report.html"
    page.write_bytes(b"as it was")
    match change:
        case "layout":
            study.write_text(STUDY.replace("pool", "identity"))
        case "title":
            study.write_text("study: other\n" + STUDY)
        case "row":
            with sqlite3.connect(out / "ledger.sqlite") as connection:
                connection.execute("""UPDATE rows SET "values" = json_set("values", '$.macs', 1000)""")
        case "page":
            page.unlink()
        case "mark":
            (out / FILE).unlink()
        case "code":
            (tmp_path / "report.py").write_text("changed = True")
            monkeypatch.setattr(fresh, "_PACKAGE", tmp_path)
        case "unreadable":
            (out / FILE).write_bytes(b"\xff")
    assert ablate("run", study, "--out", out).code == 0
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert ablate("run", study, "--out", out).code == 0


def test_a_mark_that_cannot_be_written_costs_nothing(ablate: Callable, study: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / FILE).mkdir()
    assert ablate("run", study, "--out", out).code == 0
    with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
        assert not is_fresh(out, made_from(ledger))


def test_a_link_in_its_place_is_not_followed(ablate: Callable, study: Path, tmp_path: Path):
    out = tmp_path / "out"
    ablate("run", study, "--out", out)
    other = tmp_path / "other"
    other.write_text("untouched")
    (out / FILE).unlink()
    os.symlink(other, out / FILE)
    with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
        keep_fresh(out, made_from(ledger))
        assert is_fresh(out, made_from(ledger))
    assert other.read_text() == "untouched"
