"""Tables and figures of ablations and expectations, against numbers worked out beside them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate.measurements.register import quantity
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.effects import all_effects, quantities_of
from ablate.report.evidence import evidence
from ablate.report.figures.forest import forest_figure
from ablate.report.figures.interactions import interaction_figure
from ablate.report.figures.waterfall import waterfall_figure
from ablate.report.results import Results
from ablate.report.tables.ablation import COLUMNS, ablation_table
from ablate.report.tables.disagreements import disagreement_table
from ablate.report.tables.expectations import expectation_table, gap_text
from ablate.run.facts import AblationFact, DesignRecord, DesignRow, ExpectationFact, Predicted
from ablate.study.ablation import DesignName
from ablate.study.ablation_design import design_rows
from ablate.study.expect import parse_expectation
from ablate.study.expect_judge import Judgement
from ablate.study.expect_quantities import known_quantities

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]
CHANGES = ("x", "y", "z")
EFFECT = {"x": -2.0, "y": 0.5, "z": 0.0}
TOGETHER = 1.0  # what x and y do more together


def designed(*designs: DesignName) -> AblationFact:
    return AblationFact(
        tuple(
            DesignRecord("b", d, CHANGES, tuple(DesignRow(r.made, r.stage) for r in design_rows(d, CHANGES)))
            for d in designs
        )
    )


def made(name: str) -> frozenset[str]:
    return frozenset(name.partition("/")[2].split("+")) - {""}


@pytest.fixture
def study(opened: Open, study_of: Make) -> Callable[..., Results]:
    def make(designs: Sequence[DesignName], *facts: object, seeds: int = 6, **more: object) -> Results:
        rows = [row for design in designs for row in design_rows(design, CHANGES)]
        names = tuple(dict.fromkeys(row.name("b") for row in rows))
        frame = study_of(names, resolutions=(224,), seeds=seeds)
        noise = random.Random(1)
        for index in frame.index:
            changes = made(frame.at[index, "layout"])
            values, condition = frame.at[index, "values"], frame.at[index, "condition"]
            if frame.at[index, "kind"] == "accuracy":
                top1 = 90 + sum(EFFECT[change] for change in changes) + TOGETHER * ({"x", "y"} <= changes)
                values = values | {"top1": top1 + 0.3 * condition["seed"] + noise.gauss(0, 0.1)}
            elif frame.at[index, "kind"] == "complexity":
                values = values | {"params": 1_000_000 - 1000 * len(changes)}
            else:
                ratio = 1.5 if "x" in changes else 1.0
                wobble = [1, 1.01, 0.99]
                base = [10.0, 12.0, 11.0]
                values = values | {"ratio_to": "b", "ratio": ratio}
                values |= {"process_ratios": [ratio * w for w in wobble] if changes else []}
                values |= {"process_ms": [b * ratio * 1.3 for b in base] if changes else base}
            frame.at[index, "values"] = values
        return opened(frame, study="s", baseline="b", facts=[designed(*designs), *facts], **more)

    return make


def csv_of(results: Results) -> pd.DataFrame:
    table = ablation_table(results)
    assert table is not None
    return table.raw


def test_the_csv_has_the_promised_columns_and_paired_t_tests(study: Callable[..., Results]) -> None:
    results = study(["leave-one-out"])
    raw = csv_of(results)
    assert tuple(raw.columns[: len(COLUMNS)]) == COLUMNS
    row = raw[(raw["quantity"] == "accuracy") & (raw["change"] == "x")].iloc[0]
    ours, base = (evidence(results, quantity("accuracy"), name) for name in ("b/x", "b"))
    assert isinstance(ours, dict)
    assert isinstance(base, dict)
    test = stats.ttest_rel(list(ours.values()), list(base.values()))
    interval = test.confidence_interval()
    assert (row["p"], row["low"], row["high"]) == pytest.approx((test.pvalue, interval.low, interval.high))
    assert (row["base"], row["verdict"], row["pairs"]) == ("b", "worse", 6)


def test_counted_effects_are_exact(study: Callable[..., Results]) -> None:
    raw = csv_of(study(["leave-one-out"]))
    params = raw[raw["quantity"] == "params"]
    assert list(params["effect"]) == [-1000, -1000, -1000]
    assert (params["low"] == params["effect"]).all()
    assert params["p"].isna().all()
    assert set(params["verdict"]) == {"better"}


def test_latency_effects_are_factors_without_the_drift_between_processes(
    study: Callable[..., Results],
) -> None:
    raw = csv_of(study(["leave-one-out"], equivalent_ratio=0.05))
    latency = raw[raw["quantity"] == "latency"].set_index("change")
    assert latency.loc["x", "effect"] == pytest.approx(1.5 * (1.01 * 0.99) ** (1 / 3))
    assert latency.loc["x", "verdict"] == "worse"
    assert latency.loc["z", "verdict"] == "equivalent"
    assert latency.loc["x", "unit"] == "ratio"


def test_a_margin_makes_accuracies_equivalent(study: Callable[..., Results]) -> None:
    raw = csv_of(study(["leave-one-out"], equivalent_within=0.5))
    verdicts = raw[raw["quantity"] == "accuracy"].set_index("change")["verdict"]
    assert verdicts["z"] == "equivalent"
    assert verdicts["x"] == "worse"


def test_factorials_have_main_effects_and_interactions(study: Callable[..., Results]) -> None:
    results = study(["full"])
    raw = csv_of(results)
    accuracy = raw[raw["quantity"] == "accuracy"].set_index("change")
    assert accuracy.loc["x", "effect"] == pytest.approx(EFFECT["x"] + TOGETHER / 2, abs=0.15)
    assert accuracy.loc["x x y", "effect"] == pytest.approx(TOGETHER, abs=0.2)
    assert accuracy.loc["x x y", "kind"] == "interaction"
    with style.paper_style():
        assert isinstance(interaction_figure(results), Drawn)
        assert isinstance(forest_figure(results), Drawn)
        assert waterfall_figure(results) is None


def test_the_ladder_names_its_order_and_adds_up(study: Callable[..., Results]) -> None:
    results = study(["cumulative"])
    table = ablation_table(results)
    assert table is not None
    assert any("in the order x, y, z" in note for note in table.notes)
    accuracy = table.raw[table.raw["quantity"] == "accuracy"]
    first, last = (evidence(results, quantity("accuracy"), name) for name in ("b", "b/x+y+z"))
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    whole = np.mean(list(last.values())) - np.mean(list(first.values()))
    assert accuracy["effect"].sum() == pytest.approx(whole)
    with style.paper_style():
        figure = waterfall_figure(results)
    assert isinstance(figure, Drawn)
    (panel,) = figure.figure.axes
    assert sum(bar.get_height() for bar in panel.patches) == pytest.approx(whole)


def test_leave_one_out_and_add_one_disagree_where_changes_interact(study: Callable[..., Results]) -> None:
    table = disagreement_table(study(["leave-one-out", "add-one"]))
    assert table is not None
    raw = table.raw[table.raw["quantity"] == "accuracy"].set_index("change")
    assert raw.loc["x", "effect"] == pytest.approx(-TOGETHER, abs=0.3)
    assert (raw.loc["x", "verdict"], raw.loc["z", "verdict"]) == ("worse", "not resolved")
    assert disagreement_table(study(["leave-one-out"])) is None


def test_only_quantities_with_an_error_or_without_any_are_shown(study: Callable[..., Results]) -> None:
    names = {wanted.name for wanted in quantities_of(study(["leave-one-out"]))}
    assert {"params", "macs", "peak", "latency", "accuracy", "test_loss"} <= names
    assert not {"throughput", "latency_low", "latency_ratio", "measured_peak", "images_seen"} & names
    assert all(effects.rows for effects in all_effects(study(["leave-one-out"])))


def test_expectations_are_held_failed_or_not_resolved(study: Callable[..., Results]) -> None:
    lines = {
        "accuracy of b > accuracy of b/x by 1": "held",
        "accuracy of b > accuracy of b/y": "failed",
        "accuracy of b > accuracy of b/z": "not resolved",
        "accuracy of b = accuracy of b/z within 0.5": "held",
        "latency of b/x < 1.1 * latency of b": "failed",
        "latency of b at 224 < 1.1 * latency of b/z at 224": "held",
        "params of b/x <= 999000": "held",
        "latency of b at 512 < 3": "not resolved",
    }
    fact = ExpectationFact(
        tuple(Predicted(line, "2026-01-02T00:00:00+00:00", after="params" in line) for line in lines)
    )
    table = expectation_table(study(["leave-one-out"], fact))
    assert table is not None
    assert dict(zip(table.raw["expectation"], table.raw["status"], strict=True)) == lines
    shown = {row[0].text: [cell.text for cell in row] for row in table.rows}
    assert shown["params of b/x <= 999000"][4] == "written after the measurement"
    assert "[" in shown["accuracy of b > accuracy of b/z"][2]
    assert shown["latency of b/x < 1.1 * latency of b"][2].startswith("ratio ")
    assert any("1 of 8 were written" in note for note in table.notes)
    assert expectation_table(study(["leave-one-out"])) is None


@pytest.mark.parametrize(
    ("gap", "low", "high", "note", "text"),
    [
        (137e9, 137e9, 137e9, "", "+137 G"),
        (-736e6, -736e6, -736e6, "", "−736 M"),
        (-6e6, math.nan, math.nan, "one pair only", "−6.00 M, one pair only"),
        (2e6, 1e6, 3e6, "", "+2.00 [1.00, 3.00] M"),
    ],
)
def test_a_gap_has_its_error_or_why_there_is_none(
    gap: float, low: float, high: float, note: str, text: str
) -> None:
    expectation = parse_expectation("macs of a < macs of b", known_quantities())
    assert gap_text(expectation, Judgement("not resolved", gap, low, high, False, 1, note)) == text


def test_a_gap_has_the_unit_of_its_quantity() -> None:
    expectation = parse_expectation("first_field of a > first_field of b", known_quantities())
    assert gap_text(expectation, Judgement("failed", -7.08, -9.36, -4.8, False, 3)).endswith("] % of area")
