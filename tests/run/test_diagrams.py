"""The drawings of a study's layouts are in its ledger and on its page, and are worked out once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ablate
from ablate.model.diagram import columns
from ablate.report.results import Results
from ablate.report.sections import sections
from ablate.run.diagrams import keep_diagrams
from ablate.run.execute import run_study
from ablate.run.executors.local import LocalExecutor
from ablate.run.keyed_facts import DiagramFact
from ablate.run.ledger import FILE, Ledger
from ablate.run.records import Job, Outcome, failed

STUDY = """\
study: drawn
input: {resolution: 64, channels: 1, classes: 10}
defaults: {widths: [16, 32], depths: [2, 2], head_dim: 8, stem: patchify}
layouts:
  hybrid: alternate(conv, softmax)
  resnet: timm:resnet18
measure: {complexity: {resolutions: [64]}}
"""


def study(folder: Path) -> ablate.Study:
    file = folder / "study.yaml"
    file.write_text(STUDY)
    return ablate.load_study(file)


def test_the_page_draws_the_layouts(tmp_path: Path, one_worker: LocalExecutor) -> None:
    known = study(tmp_path)
    with Ledger(tmp_path / FILE) as ledger:
        run_study(known, ledger, one_worker)
        fact = ledger.read(DiagramFact)
        assert fact is not None
        (row,) = fact.rows  # timm's model is taken whole, and has no drawing
        layout = known.layouts["hybrid"]
        assert isinstance(layout, ablate.Layout)
        assert list(row.columns) == columns(layout, 64, 1)
        hybrid, resnet = sections(Results.of(ledger, [DiagramFact]))
    assert hybrid.diagram.startswith("<svg")
    assert "softmax, reach global" in hybrid.diagram
    assert resnet.diagram == ""


def test_a_drawing_is_worked_out_once_and_may_fail(
    tmp_path: Path, stand_in: Callable[[Callable[[Job], Outcome]], Any]
) -> None:
    known = study(tmp_path)
    fails = stand_in(lambda job: failed("error", "no"))
    works = stand_in(lambda job: Outcome({"layout": "hybrid", "columns": []}))
    with Ledger(tmp_path / FILE) as ledger:
        keep_diagrams(known, ledger, works, without=["hybrid"])
        assert not works.jobs
        keep_diagrams(known, ledger, fails)
        assert ledger.read(DiagramFact) == DiagramFact()
        for _ in range(2):
            keep_diagrams(known, ledger, works)
        assert len(works.jobs) == 1
        fact = ledger.read(DiagramFact)
        assert fact is not None
        assert [row.layout for row in fact.rows] == ["hybrid"]
