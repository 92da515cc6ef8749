"""What a ledger tells beside its values: why cells failed or are stale, how long the others will take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.cost import layout_cost
from ablate.measurements.register import measurement
from ablate.run import closure, keys
from ablate.run.estimate import Estimator, together
from ablate.run.execute import run_study
from ablate.run.history import Duration, durations, failures, prune, unused_rows
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.run.records import Cell, Job, Outcome, failed, plain
from ablate.run.why import why_stale
from ablate.study.load import load_study, parse_study
from ablate.study.study import Study

TEXT = """
input: {resolution: 32, channels: 1, classes: 10}
defaults: {widths: [8, 16], depths: [1, 1]}
layouts: {a: conv, b: softmax}
measure:
  memory: {resolutions: [32], modes: [inference]}
  accuracy: {dataset: digits, resolution: 8, epochs: 2, subset: 100, seeds: 2, precision: fp32}
"""
MEMORY = {"weights": 1, "gradients": 0, "optimizer": 0, "saved_activations": 0, "peak": 1}
Stand = Callable[[Callable[[Job], Outcome]], Any]


def outcome(job: Job) -> Outcome:
    if job.kind == "memory":
        return Outcome(MEMORY, seconds=2.0)
    return failed("diverged" if "a" in job.layouts else "timeout", f"reason of {job.kind}")


@pytest.fixture
def run(tmp_path: Path, stand_in: Stand) -> Callable[[Study], Ledger]:
    def run(study: Study) -> Ledger:
        ledger = Ledger(tmp_path / "ledger.sqlite")
        run_study(study, ledger, stand_in(outcome))
        return ledger

    return run


def test_failures_are_grouped_by_reason(run: Callable[[Study], Ledger]) -> None:
    study = parse_study(TEXT)
    with run(study) as ledger:
        groups = failures(ledger)
        assert [(group.status, group.reason, len(group.cells)) for group in groups] == [
            ("diverged", "reason of accuracy", 2),
            ("timeout", "reason of accuracy", 2),
        ]
        assert set(groups[0].cells) == {"accuracy of a"}
        assert failures(ledger, plan(study)) == groups


def why(study: Study, ledger: Ledger, kind: str = "memory") -> dict[str, list[str]]:
    cells = plan(study)
    states = ledger.states(cells)
    stale = [cell for cell in cells if states[cell.key] == "stale"]
    reasons = why_stale(ledger, study, stale)
    return {cell.layout: reasons[cell.key] for cell in stale if cell.kind == kind}


def test_a_changed_layout_says_which_settings(run: Callable[[Study], Ledger]) -> None:
    with run(parse_study(TEXT)) as ledger:
        assert why(parse_study(TEXT), ledger) == {}
        changed = parse_study(TEXT.replace("b: softmax", "b: {layout: softmax, mlp_ratio: 2}"))
        assert why(changed, ledger) == {"b": ["the layout itself: stages"]}


def test_a_changed_library_and_device_are_named(
    run: Callable[[Study], Ledger], monkeypatch: pytest.MonkeyPatch, fresh_blocks: Callable[[], None]
) -> None:
    with run(parse_study(TEXT)) as ledger:
        monkeypatch.setattr(keys, "version", lambda package: "99.0")
        monkeypatch.setattr(keys, "device_name", lambda device: "another device")
        reasons = why(parse_study(TEXT), ledger)["a"]
    assert any(reason.startswith("torch ") and reason.endswith("99.0 now") for reason in reasons)
    assert any(reason.startswith("device: ") and "another device now" in reason for reason in reasons)


def test_changed_code_is_named(
    tmp_path: Path, run: Callable[[Study], Ledger], fresh_blocks: Callable[[], None]
) -> None:
    block = tmp_path / "mine.py"
    text = (
        "from torch import nn\nimport blocks\n@blocks.register('mixer', 'mine')\nclass Mine(nn.Identity):\n"
        "    def __init__(self, dim: int):\n        super().__init__()\n"
    )
    block.write_text(text)
    (tmp_path / "study.yaml").write_text(TEXT.replace("b: softmax", "b: mine") + "extensions: [mine.py]\n")
    with run(load_study(tmp_path / "study.yaml")) as ledger:
        fresh_blocks()
        block.write_text(text + "        self.scale = 2\n")
        closure.forget()
        assert why(load_study(tmp_path / "study.yaml"), ledger) == {"b": ["the code of mixer mine"]}


def test_prune_removes_what_no_cell_uses(run: Callable[[Study], Ledger], stand_in: Stand) -> None:
    with run(parse_study(TEXT)) as ledger:
        assert not unused_rows(ledger)
        assert prune(ledger) == 0
        run_study(parse_study(TEXT.replace("a: conv, ", "")), ledger, stand_in(outcome))
        assert unused_rows(ledger) == {("a", "memory"): 2, ("a", "accuracy"): 2}
        parts = len(ledger.ask("SELECT 1 FROM parts"))
        assert prune(ledger) == 4
        assert len(ledger.ask("SELECT 1 FROM parts")) == parts - 1, "the layout's, that nothing names now"
        assert len(ledger.records()) == sum(record.state == "done" for record in ledger.records()) + 2


# Estimates

MACS = {"a": 1e8, "b": 3e8}


def accuracy(study: Study) -> list[Cell]:
    return [cell for cell in plan(study) if cell.kind == "accuracy"]


def estimator(known: list[Duration]) -> Estimator:
    return Estimator(known, MACS.get, 32, rate=1e9)


def test_estimates() -> None:
    study = parse_study(TEXT)
    first = accuracy(study)[0]
    other = next(cell for cell in accuracy(study) if cell.layout == "b")
    took = Duration("a", "accuracy", plain(first.condition) | {"seed": 9}, 10.0)
    assert estimator([took]).of(first).seconds == 10.0, "another seed of the same cell"
    assert estimator([took]).of(other).seconds == pytest.approx(30.0), "three times the MACs"
    shorter = Duration("a", "accuracy", plain(first.condition) | {"epochs": 1}, 5.0)
    assert estimator([shorter]).of(first).seconds == pytest.approx(10.0), "twice the images"
    # 3 passes x 2 epochs x 100 images at (8 / 32)^2 of the MACs, at 1e9 MACs in a second
    assert estimator([]).of(first).seconds == pytest.approx(3 * 200 * 1e8 / 16 / 1e9)
    assert estimator([]).of(first).source == "MACs"


def test_cells_of_other_studies_count_by_what_their_own_layouts_cost() -> None:
    """Of another ledger the name is gone, and the MACs a pixel are known."""
    first = accuracy(parse_study(TEXT))[0]
    density = 1e8 / 32**2
    longer = plain(first.condition) | {"epochs": 4}
    elsewhere = Duration("", "accuracy", longer, 20.0, density=density / 2)
    assert estimator([elsewhere]).of(first).seconds == pytest.approx(20.0), "half the images, twice the MACs"
    assert estimator([elsewhere]).of(first).source == "cells of its kind"
    same = Duration("", "accuracy", plain(first.condition), 20.0, density=density / 2)
    assert estimator([same]).of(first).seconds == pytest.approx(40.0), "twice the MACs"
    unknown = Duration("", "accuracy", longer, 20.0)
    assert estimator([unknown]).of(first).source == "MACs", "what its layout costs is not known"


def test_macs_a_pixel_come_from_the_ledger(tmp_path: Path, stand_in: Stand) -> None:
    study = parse_study(TEXT.replace("memory:", "complexity: {resolutions: [16, 32]}\n  memory:"))

    def count(job: Job) -> Outcome:
        if job.kind != "complexity":
            return outcome(job)
        ((name, _),) = job.layouts.items()
        return Outcome(
            layout_cost(study.layouts[name], job.condition["resolution"], 1, 10).to_json(), seconds=1.0
        )

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        run_study(study, ledger, stand_in(count))
        known = {(duration.layout, duration.kind): duration.density for duration in durations(ledger)}
    for name in "ab":  # at the least resolution: softmax needs more a pixel at a larger one
        counted = layout_cost(study.layouts[name], 16, 1, 10).macs / 16**2
        assert known[name, "memory"] == known[name, "complexity"] == pytest.approx(counted)


def test_a_set_is_as_large_as_it_is() -> None:
    first = accuracy(parse_study(TEXT.replace(", subset: 100", "")))[0]
    assert first.condition.dataset == "digits"
    # 3 passes x 2 epochs over the 1,201 training images of digits
    assert estimator([]).of(first).seconds == pytest.approx(3 * 2 * 1201 * 1e8 / 16 / 1e9)


def test_dense_cells_count_at_the_size_of_their_images() -> None:
    detection = 'detection: {dataset: "cutouts:shapes", size: 64, steps: 10, seeds: 1, test_images: 5}'
    text = TEXT.replace("[8, 16], depths: [1, 1]", "[8, 8, 8, 8], depths: 1")
    study = parse_study(text.replace("  accuracy:", f"  {detection}\n  accuracy:"))
    first = next(cell for cell in plan(study) if cell.kind == "detection")
    # 160 images of 6 passes and 5 of 2, at (64 / 32)^2 of the MACs
    assert estimator([]).of(first).seconds == pytest.approx((160 * 6 + 5 * 2) * 4 * 1e8 / 1e9)


def test_shared_cells_are_divided_among_the_workers() -> None:
    study = parse_study(TEXT)
    cells = accuracy(study)
    known = estimator([Duration(cell.layout, cell.kind, plain(cell.condition), 8.0) for cell in cells])
    estimates = [known.of(cell) for cell in cells]
    assert measurement("accuracy").where == "pool"
    assert together(cells, estimates, workers=4) == 8.0
    assert together(cells, estimates, workers=1) == 32.0


def test_durations_are_those_of_finished_cells(run: Callable[[Study], Ledger]) -> None:
    with run(parse_study(TEXT)) as ledger:
        assert {(known.kind, known.seconds) for known in durations(ledger)} == {("memory", 2.0)}


def test_counted_macs(stand_in: Stand) -> None:
    from ablate.run.estimate import count_macs

    study = parse_study(TEXT)

    def count(job: Job) -> Outcome:
        ((name, _),) = job.layouts.items()
        cost = layout_cost(study.layouts[name], job.condition["resolution"], channels=1, classes=10)
        return Outcome({"macs": cost.macs})

    counted = count_macs(study, stand_in(count))
    assert counted["a"] == layout_cost(study.layouts["a"], 32, channels=1, classes=10).macs
