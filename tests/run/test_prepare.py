"""Layouts are brought to their budgets before the cells are planned."""

from __future__ import annotations

from pathlib import Path

from ablate.run.executors.local import LocalExecutor
from ablate.run.ledger import Ledger
from ablate.run.prepare import known_match, matched
from ablate.study.load import parse_study

STUDY = """\
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [32, 60], depths: [2, 4], heads: [2, 5], mlp_ratio: 2}
layouts: {a: key_only, b: "alternate(conv, softmax)"}
ladder: {budgets: [50k, 25k], layouts: [a], tolerance: 10%}
"""


def test_a_ladder_s_budgets_are_met_and_other_layouts_stay(one_worker: LocalExecutor) -> None:
    study = parse_study(STUDY)
    made = matched(study, one_worker)
    costs = {name: layout.cost(16, channels=1, classes=10).params for name, layout in made.layouts.items()}
    assert abs(costs["a@25k"] / 25_000 - 1) < 0.1
    assert abs(costs["a@50k"] / 50_000 - 1) < 0.1
    assert made.layouts["b"] == study.layouts["b"]
    assert not made.matches


def test_what_an_earlier_run_found_is_used_for_the_same_budgets_only(
    one_worker: LocalExecutor, tmp_path: Path
) -> None:
    study = parse_study(STUDY)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert known_match(study, ledger) is None
        made = matched(study, one_worker, ledger)
        known = known_match(study, ledger)
        assert known is not None
        assert known.layouts == made.layouts
        assert not known.matches
        assert known_match(parse_study(STUDY.replace("25k", "26k")), ledger) is None
        assert known_match(parse_study(STUDY.replace("a: key_only", "a: softmax")), ledger) is None
