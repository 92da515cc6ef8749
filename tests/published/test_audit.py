"""The audit as a run: kept pair by pair, resumed, by pattern, written out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ablate.errors import AblateError
from ablate.published import audit as module
from ablate.published import recount as counting
from ablate.published.audit import audit_record, chosen, write_counts, write_csv
from ablate.published.page import page
from ablate.published.recount import Form, Recount, Store, timm_version


def test_a_pattern_chooses_models() -> None:
    assert {figure.model for figure in chosen("resnet18")} == {"resnet18"}
    assert len(chosen("resnet18*")) > len(chosen("resnet18"))
    assert len(chosen()) == 1633
    with pytest.raises(AblateError, match="did you mean 'resnet18'"):
        chosen("resnet18x")


def test_a_second_run_counts_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = chosen("lcnet_050")
    first = audit_record(pairs, Store(tmp_path / module.STORE))
    lines = (tmp_path / module.STORE).read_text().splitlines()
    # a killed run leaves half a line
    (tmp_path / module.STORE).write_text("\n".join([*lines, lines[0][:40]]))

    def refuse(form: Form) -> Recount:
        raise AssertionError(form)

    monkeypatch.setattr(counting, "recount", refuse)
    assert audit_record(pairs, Store(tmp_path / module.STORE)) == first


def test_counts_of_another_timm_are_not_used(tmp_path: Path) -> None:
    store = Store(tmp_path / module.STORE)
    form = Form("lcnet_050", 224)
    true = store.get(form)
    old = json.loads((tmp_path / module.STORE).read_text()) | {"timm": "0.0.1", "macs": 1}
    (tmp_path / module.STORE).write_text(json.dumps(old) + "\n")
    again = Store(tmp_path / module.STORE).get(form)
    assert again.macs == true.macs > 1
    assert again.timm == timm_version()


def test_processes_count_the_same(tmp_path: Path) -> None:
    forms = [Form("lcnet_050", 224), Form("lcnet_075", 224)]
    by_processes, here = Store(tmp_path / "a"), Store()
    assert len(list(by_processes.fill(forms, workers=2))) == 2
    for form in forms:
        assert by_processes.get(form).macs == here.get(form).macs
    assert list(Store(tmp_path / "a").fill(forms, workers=2)) == []


def test_a_model_that_breaks_is_a_row_and_no_end() -> None:
    broken = Store().get(Form("no_such_model", 224))
    assert "no_such_model" in broken.failed


def test_what_is_written(tmp_path: Path) -> None:
    pairs = (*chosen("convmixer_768_32"), *chosen("lcnet_050"))
    rows = audit_record(pairs, Store())
    write_csv(rows, tmp_path / "timm.csv")
    write_counts(rows, tmp_path / "counts.csv")
    with (tmp_path / "timm.csv").open() as lines:
        table = {row["model"]: row for row in csv.DictReader(lines)}
    assert table["convmixer_768_32"]["cause"] == "padding by name left out"
    assert float(table["convmixer_768_32"]["error_percent"]) == pytest.approx(-5.45, abs=0.01)
    with (tmp_path / "counts.csv").open() as lines:
        assert {row["model"] for row in csv.DictReader(lines)} == set(table)
    text = page(rows, "ablate audit timm")
    assert text.startswith(
        "# What is wrong in timm's published costs\n\n**Not the whole record: 1,631 of its 1,633 pairs"
    )
    assert "Of 2 published figures" in text
    assert "leave out every convolution whose padding is a word (worst: `convmixer_768_32`" in text
    assert "`ablate audit timm`" in text
    assert "Apache-2.0" in text
