"""Predictions are kept with the time they were written, and what came after the values is marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.run.declared import declare, keep_predictions
from ablate.run.facts import AblationFact, ExpectationFact
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.run.records import Outcome, Provenance
from ablate.study.load import parse_study
from ablate.study.study import Study

STUDY = """\
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [16], depths: [2], head_dim: 8, mlp_ratio: 2}
layouts: {a: conv, b: softmax}
ablation: {base: b, changes: {c: {replace: {softmax: conv}}}}
measure: {complexity: {resolutions: [16]}}
expect: [LINES]
"""


def study_of(*lines: str) -> Study:
    return parse_study(STUDY.replace("LINES", ", ".join(f"'{line}'" for line in lines)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def lines_of(ledger: Ledger) -> list[tuple[str, str, bool, str]]:
    fact = ledger.read(ExpectationFact)
    assert fact is not None
    return [(line.line, line.written, line.after, line.withdrawn) for line in fact.lines]


def measure(study: Study, ledger: Ledger, layout: str) -> None:
    cell = next(cell for cell in plan(study) if cell.layout == layout)
    ledger.add(cell, Outcome(values={"params": 1}), Provenance())


def test_a_line_keeps_the_time_at_which_it_was_first_seen(ledger: Ledger) -> None:
    keep_predictions(study_of("params of a < params of b"), ledger, "monday")
    keep_predictions(study_of("params of a<params of  b"), ledger, "tuesday")
    assert lines_of(ledger) == [("params of a < params of b", "monday", False, "")]


def test_a_line_written_after_its_values_is_marked_and_the_old_one_stays(ledger: Ledger) -> None:
    keep_predictions(study_of("params of a < params of b"), ledger, "monday")
    measure(study_of(), ledger, "b")
    keep_predictions(study_of("params of a > params of b", "params of a < 1M"), ledger, "tuesday")
    assert lines_of(ledger) == [
        ("params of a > params of b", "tuesday", True, ""),
        ("params of a < 1000000.0", "tuesday", False, ""),  # of `a` nothing is known yet
        ("params of a < params of b", "monday", False, "tuesday"),
    ]


def test_a_withdrawn_line_that_comes_back_is_a_new_one(ledger: Ledger) -> None:
    keep_predictions(study_of("params of a < params of b"), ledger, "monday")
    keep_predictions(study_of(), ledger, "tuesday")
    measure(study_of(), ledger, "a")
    keep_predictions(study_of("params of a < params of b"), ledger, "friday")
    assert [line[1:] for line in lines_of(ledger)] == [("friday", True, ""), ("monday", False, "tuesday")]


def test_ablations_are_kept_and_a_study_without_any_writes_nothing(ledger: Ledger) -> None:
    bare = parse_study("layouts: {a: conv}\ndefaults: {widths: [8], depths: [1]}\n")
    declare(bare, ledger)
    assert (ledger.read(AblationFact), ledger.read(ExpectationFact)) == (None, None)
    declare(study_of(), ledger)
    fact = ledger.read(AblationFact)
    assert fact is not None
    (record,) = fact.ablations
    assert (record.base, record.design, record.changes) == ("b", "leave-one-out", ("c",))
    assert [row.made for row in record.rows] == [(), ("c",)]
