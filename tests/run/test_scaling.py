"""Growth with the resolution, through the driver: against closed forms, with one peak for all cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.cost import layout_cost
from ablate.errors import LayoutError
from ablate.measurements.complexity import Complexity
from ablate.measurements.scaling import ScalingValues
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor, Setup
from ablate.run.executors.local import LocalExecutor
from ablate.run.facts import MachineFact
from ablate.run.keyed_facts import FormulaFact
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.run.prepare import block_calls, keep_formulas
from ablate.run.records import Job, Outcome, failed
from ablate.study.load import load_study
from ablate.study.study import Study

# One stage at stride 4, so that a block sees N = (side / 4)^2 tokens of 16 channels in two heads.
TEXT = """
study: growth
input: {resolution: 32, classes: 10}
defaults: {widths: [16], depths: 1, heads: 2}
layouts:
  softmax: softmax
  key_only: key_only
  conv: conv(expand=2, kernel=31)
measure:
  complexity: {resolutions: [64, 128, 256], scaling: true}
report: {baseline: softmax}
"""


def study_of(folder: Path, text: str = TEXT) -> Study:
    path = folder / "growth.yaml"
    path.write_text(text)
    return load_study(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with LocalExecutor(Setup(workers=1)) as executor:
        yield executor


@pytest.fixture(scope="module")
def ledger(study: Study, executor: Executor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger(tmp_path_factory.mktemp("growth") / "ledger.sqlite") as ledger:
        assert run_study(study, ledger, executor).failed == 0
        yield ledger


@pytest.fixture(scope="module")
def values(ledger: Ledger) -> dict[str, ScalingValues]:
    return {record.layout: record.values for record in ledger.records() if record.kind == "scaling"}


def crossing(values: dict[str, ScalingValues], a: str, b: str, quantity: str) -> Any:
    layout = a if a != "softmax" else b
    rows = values[layout].crossovers
    return next(row for row in rows if (row.a, row.b, row.quantity) == (a, b, quantity))


def test_a_cell_a_layout(study: Study) -> None:
    cells = [cell for cell in plan(study) if cell.kind == "scaling"]
    assert [cell.layout for cell in cells] == ["softmax", "key_only", "conv"]
    assert len({cell.key for cell in cells}) == 3


def test_the_baseline_and_the_resolutions_are_in_the_key(study: Study) -> None:
    def keys(other: Study) -> set[str]:
        return {cell.key for cell in plan(other) if cell.kind == "scaling"}

    report = study.report.model_copy(update={"baseline": "conv"})
    complexity = Complexity(resolutions=(64, 128), scaling=True)
    measure = study.measure.model_copy(update={"complexity": complexity})
    assert not keys(study) & keys(replace(study, report=report))
    assert not keys(study) & keys(replace(study, measure=measure))


def test_curves_are_the_counts_with_their_exponents(study: Study, values: dict[str, ScalingValues]) -> None:
    for name, record in values.items():
        costs = [layout_cost(study.layouts[name], side, classes=10) for side in (64, 128, 256)]
        curves = record.curves
        assert list(curves["macs"].values) == [cost.macs for cost in costs]
        assert list(curves["training_math"].values) == [c.memory["math"]["training_peak"] for c in costs]
        assert [(e.start, e.end) for e in curves["macs"].exponents] == [(64, 128), (128, 256)]
        exponent = curves["macs"].exponents[1].exponent
        assert exponent == pytest.approx(math.log(costs[2].macs / costs[1].macs) / math.log(4))


def test_attention_crosses_convolution_where_the_formulas_say(values: dict[str, ScalingValues]) -> None:
    # 4NC^2 + 2N^2 C against 4NC^2 + 2 * 31^2 NC: equal at N = 961, which is 124 px
    row = crossing(values, "conv", "softmax", "macs")
    assert (row.resolution, row.method, row.less) == (128, "polynomial", True)
    back = crossing(values, "softmax", "conv", "macs")
    assert (back.resolution, back.less) == (None, False)
    assert back.note == "not less at 256 px; less at 64 to 120 px"


def test_key_only_never_needs_the_macs_of_softmax(values: dict[str, ScalingValues]) -> None:
    # 3NC^2 + 17NC/2 against 4NC^2 + 2N^2 C: at C = 16 less for every N >= 1
    row = crossing(values, "key_only", "softmax", "macs")
    assert row.note == "less at every resolution, 64 to 256 px"
    curves = {name: values[name].curves["macs"].values for name in ("softmax", "key_only")}
    for side, more, less in zip((64, 128, 256), curves["softmax"], curves["key_only"], strict=True):
        tokens = (side // 4) ** 2
        assert 2 * (more - less) == 2 * 16**2 * tokens + 4 * tokens**2 * 16 - 17 * tokens * 16
    assert values["softmax"].crossovers == ()


def test_all_cells_have_the_same_peak_which_is_kept(ledger: Ledger, values: dict[str, ScalingValues]) -> None:
    fact = ledger.read(MachineFact)
    assert fact is not None
    (kept,) = fact.known.values()
    assert kept["macs_per_second"] > 1e8
    assert kept["bytes_per_second"] > 1e7
    assert {record.peak.macs_per_second for record in values.values()} == {kept["macs_per_second"]}
    roofline = values["softmax"].curves["roofline_ms"].values
    assert 0 < roofline[0] < roofline[1] < roofline[2]


def test_a_peak_that_is_known_is_not_measured_again(
    study: Study, ledger: Ledger, stand_in: Callable[[Callable[[Job], Outcome]], Any]
) -> None:
    wider = study.measure.complexity.model_copy(update={"resolutions": (64, 192)})
    other = replace(study, measure=study.measure.model_copy(update={"complexity": wider}))
    executor = stand_in(lambda job: failed("error", "stands in"))
    run_study(other, ledger, executor)
    scaling = [job for job in executor.jobs if job.kind == "scaling"]
    assert scaling
    assert all(job.facts["machine_peak"]["macs_per_second"] > 0 for job in scaling)
    assert not [job for job in executor.jobs if job.runner == "ablate.runners.peak:run"]


def test_a_peak_that_cannot_be_measured_fails_the_cells(
    study: Study, tmp_path: Path, stand_in: Callable[[Callable[[Job], Outcome]], Any]
) -> None:
    executor = stand_in(lambda job: failed("crashed", "killed"))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        run_study(study, ledger, executor)
        rows = [record for record in ledger.records() if record.kind == "scaling"]
        assert {record.status for record in rows} == {"crashed"}
        assert {record.reason for record in rows} == {"machine peak could not be measured: killed"}
        assert ledger.read(MachineFact) is None
    assert sum(job.runner == "ablate.runners.peak:run" for job in executor.jobs) == 1


def test_formulas_are_kept_for_the_report(
    study: Study, ledger: Ledger, stand_in: Callable[[Callable[[Job], Outcome]], Any]
) -> None:
    fact = ledger.read(FormulaFact)
    assert fact is not None
    rows = {row.block: row for row in fact.rows}
    assert list(rows) == [str(call) for call in block_calls(study)]
    macs = rows["softmax"].formulas["macs"]
    assert (macs.text, macs.latex) == ("4*C**2*N + 2*C*N**2", "4 C^{2} N + 2 C N^{2}")
    assert (rows["softmax"].order, rows["key_only"].order) == ("O(N^2)", "O(N)")
    assert rows["key_only"].formulas["macs"].text == "3*C**2*N + 17*C*N/2"
    assert "N**2" in rows["softmax"].formulas["saved_math"].text
    assert "N**2" not in rows["softmax"].formulas["saved_fused"].text
    again = stand_in(lambda job: failed("error", "worked out again"))
    keep_formulas(study, ledger, again)
    assert again.jobs == []


def test_growth_needs_two_resolutions(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="scaling needs two resolutions at least"):
        study_of(tmp_path, TEXT.replace("[64, 128, 256]", "[64]"))
