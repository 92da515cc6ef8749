"""Findings say no more than the numbers do; sections say what each layout is and what it lacks."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from ablate.report.findings import failures, findings
from ablate.report.results import Results
from ablate.report.sections import sections
from ablate.report.table import Cell, Column, Table

Open = Callable[..., Results]


@pytest.fixture(scope="module")
def results(opened: Open, full_study: pd.DataFrame, texts: dict[str, str]) -> Results:
    return opened(full_study, texts=texts, baseline="alternate-key_only")


def said(results: Results, tables: tuple[Table, ...] = ()) -> dict[str, dict[str, str]]:
    return {
        finding.title: {verdict.word: "; ".join(verdict.layouts) for verdict in finding.verdicts}
        for finding in findings(results, tables)
    }


def test_accuracy_has_a_verdict_for_every_layout(results: Results) -> None:
    words = said(results)["Top-1 on fashion-mnist, against alternate-key_only"]
    text = "; ".join(words.values())
    assert all(text.count(f"{name} (") == 1 for name in results.layouts if name != "alternate-key_only")
    assert "graft3-key_only (−" in words["worse"]  # made 0.9 points worse
    assert "graft3-window (0 of 5 seeds" in words["not known"]
    assert "alternate-key_only (" not in text


def test_latency_is_resolved_only_outside_its_interval(results: Results) -> None:
    words = said(results)["Latency at 224 px, batch 32, against alternate-key_only"]
    assert "alternate-linear" in words["not resolved"]  # 1.004, between 0.991 and 1.015
    assert "graft3-key_only (0.930" in words["faster"]
    assert "alternate-softmax (1.600" in words["slower"]


def test_counts_are_exact_and_name_both_ends(results: Results) -> None:
    words = said(results)["MACs at 224 px"]
    assert words["fewest"].startswith("graft3-key_only, graft3-window, graft3-linear (2.100 G")
    assert words["most"].startswith("alternate-softmax (")
    assert "times the fewest" in words["most"]


def test_predictions_come_first(results: Results) -> None:
    said_of = (("a > b", "held", "+2"), ("c > d", "failed", "–"))
    rows = tuple((Cell(line), Cell(word), Cell(gap)) for line, word, gap in said_of)
    table = Table("expectations", "E", "", (Column("x"), Column("y"), Column("z")), rows, pd.DataFrame())
    shown = said(results, (table,))
    assert next(iter(shown)) == "What was predicted"
    assert shown["What was predicted"] == {"failed": "c > d", "held": "a > b (+2)"}


def test_reasons_are_counted(results: Results) -> None:
    known = failures(results)
    assert known[0] == ("missing", "5 accuracy cells", "never run")
    assert ("oom", "1 throughput cell", "RuntimeError: out of memory") in known


def test_sections_say_what_a_layout_lacks(results: Results) -> None:
    known = {section.name: section for section in sections(results)}
    assert list(known) == list(results.layouts)
    softmax = known["alternate-softmax"]
    assert softmax.missing == (("throughput", "oom", "RuntimeError: out of memory"),)
    assert [line[0] for line in softmax.stages] == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert dict(softmax.costs)["Parameters (M)"] == "13.10"
