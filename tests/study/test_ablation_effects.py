"""Effects row by row: each design's own, on values whose effects are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ablate.layout import Layout
from ablate.statistics import compare, compare_ratios
from ablate.study.ablation_effects import counted_effects, disagreement_rows, measured_effects
from ablate.study.ablation_layouts import Ablation, make_ablations

BASE = Layout("conv key_only", name="b", check=False)
CHANGES = {"x": {"set": {"ffn": "conv"}}, "y": {"set": {"mlp_ratio": 3}}, "z": {"set": {"depths": 3}}}
TRUE = {"x": 1.0, "y": -0.5, "z": 0.0}


def ablation(design: str) -> Ablation:
    value = {"base": "b", "changes": CHANGES, "design": design}
    outcome = make_ablations(value, {"b": BASE}, check=False)
    assert outcome.mistakes == []
    return outcome.ablations[0]


def true_value(made: tuple[str, ...]) -> float:
    return 80 + sum(TRUE[name] for name in made) + 0.6 * ({"x", "y"} <= set(made))


def accuracies(*designs: str, scatter: float = 0.1) -> dict[str, dict[int, float]]:
    shift = np.random.default_rng(1).normal(0, 2, 6)
    out = {}
    for design in designs:
        item = ablation(design)
        for row, name in zip(item.rows, item.names, strict=True):
            random = np.random.default_rng([ord(letter) for letter in name])
            out[name] = {
                seed: true_value(row.made) + shift[seed] + random.normal(0, scatter) for seed in range(6)
            }
    return out


def by_change(rows: Any) -> dict[str, Any]:
    return {row.change: row for row in rows}


def test_leave_one_out_is_each_change_against_the_base():
    values = accuracies("leave-one-out")
    outcome = by_change(measured_effects(ablation("leave-one-out"), values, 0.4))
    assert list(outcome) == ["x", "y", "z"]
    oracle = compare(values["b/x"], values["b"])
    assert (outcome["x"].effect, outcome["x"].low, outcome["x"].p) == (oracle.mean, oracle.low, oracle.p)
    assert [row.verdict for row in outcome.values()] == ["better", "worse", "equivalent"]
    assert {row.kind for row in outcome.values()} == {"alone"}
    assert outcome["x"].p_corrected > outcome["x"].p
    assert outcome["x"].n == 6


def test_add_one_is_each_change_among_the_others():
    outcome = by_change(measured_effects(ablation("add-one"), accuracies("add-one")))
    assert outcome["x"].effect == pytest.approx(1.6, abs=0.2)
    assert outcome["y"].effect == pytest.approx(0.1, abs=0.2)
    assert outcome["z"].kind == "last"


def test_where_the_two_disagree():
    values = accuracies("leave-one-out", "add-one")
    outcome = by_change(disagreement_rows(ablation("leave-one-out"), ablation("add-one"), values))
    assert outcome["x"].effect == pytest.approx(-0.6, abs=0.25)
    assert outcome["x"].verdict == "worse"  # resolved
    assert outcome["z"].verdict == "not resolved"
    assert disagreement_rows(ablation("add-one"), ablation("add-one"), values) == ()


def test_a_ladder_names_its_order():
    outcome = measured_effects(ablation("cumulative"), accuracies("cumulative"))
    assert [(row.change, row.note) for row in outcome] == [
        ("x", "first"),
        ("y", "after x"),
        ("z", "after x, y"),
    ]
    assert outcome[1].effect == pytest.approx(0.1, abs=0.2)


def test_factorials_give_main_effects_and_interactions():
    full = by_change(measured_effects(ablation("full"), accuracies("full")))
    assert list(full) == ["x", "y", "z", "x x y", "x x z", "y x z"]
    assert full["x"].effect == pytest.approx(1.3, abs=0.15)
    assert full["x x y"].effect == pytest.approx(0.6, abs=0.2)
    assert full["x x y"].kind == "interaction"
    half = measured_effects(ablation("half"), accuracies("half"))
    assert [row.change for row in half] == ["x", "y", "z"]
    assert half[2].note == "cannot be told apart from -x x y"


def test_times_are_factors():
    values = {
        name: {i: math.exp(v / 10 - 8) for i, v in row.items()} for name, row in accuracies("full").items()
    }
    item = ablation("leave-one-out")
    outcome = measured_effects(item, values, ratio=True, lower_is_better=True)[0]
    oracle = compare_ratios(values["b/x"], values["b"])
    assert (outcome.effect, outcome.verdict) == (oracle.mean, "worse")
    main = measured_effects(ablation("full"), values, ratio=True, lower_is_better=True)[0]
    assert main.effect == pytest.approx(math.exp(0.13), rel=0.03)
    assert main.low < main.effect < main.high


@pytest.mark.parametrize("design", ["leave-one-out", "add-one", "cumulative", "full", "half"])
def test_counted_effects_are_exact(design: str):
    item = ablation(design)
    values = {name: true_value(row.made) for row, name in zip(item.rows, item.names, strict=True)}
    outcome = by_change(counted_effects(item, values, lower_is_better=False))
    expected = {"leave-one-out": 1.0, "add-one": 1.6, "cumulative": 1.0, "full": 1.3}
    if design in expected:
        assert outcome["x"].effect == pytest.approx(expected[design])
    assert outcome["x"].low == outcome["x"].high == outcome["x"].effect
    assert math.isnan(outcome["x"].p)
    assert outcome["x"].verdict == "better"


def test_missing_layouts_are_not_resolved():
    item = ablation("leave-one-out")
    values = accuracies("leave-one-out")
    del values["b/x"]
    outcome = by_change(measured_effects(item, values))
    assert (outcome["x"].n, outcome["x"].verdict) == (0, "not resolved")
    assert outcome["x"].to_json()["effect"] is None
    assert outcome["y"].verdict == "worse"
    assert measured_effects(ablation("full"), {}) == ()
    assert [row.change for row in counted_effects(item, {"b": 1.0, "b/y": 2.0})] == ["y"]
    assert counted_effects(ablation("full"), {}) == ()
