"""Budgets: what comes out is counted again on the built model; the search meets brute force."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.cost.match.solve import BudgetError, Neighbour, match_layout, match_layouts
from ablate.cost.memory.trace import trace_memory
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.study.study import Input, Match

SMALL = {"widths": [16, 32], "depths": [2, 2], "heads": [2, 4], "mlp_ratio": 2}


def built(layout: Layout, classes: int = 10) -> torch.nn.Module:
    with torch.device("meta"):
        return layout.build(classes)


def built_params(layout: Layout, classes: int = 10) -> int:
    return sum(parameter.numel() for parameter in built(layout, classes).parameters())


@pytest.mark.parametrize("by", ["width", "depth", "expansion"])
def test_alternate_and_graft_get_equal_parameters(by: str) -> None:
    deep = {"widths": [64, 128, 320, 512], "depths": [2, 2, 6, 2], "heads": [2, 2, 5, 8]}
    for text in ("alternate(conv, key_only)", "graft(conv, softmax, from=3)"):
        result = match_layout(Layout(text, **deep, drop_path=0.1), params=18e6, by=by)
        assert built_params(result.layout, 1000) == result.value
        assert abs(result.value / 18e6 - 1) <= 0.01
        assert result.layout.drop_path == 0.1
        assert set(result.changes) == {{"width": "widths", "depth": "depths", "expansion": "mlp_ratio"}[by]}
        if by == "depth":  # whole cycles of the alternating pattern, where they suffice
            assert result.layout.depths != result.before.depths
        if by == "width":
            assert all(w % h == 0 for w, h in zip(result.layout.widths, (2, 2, 5, 8), strict=True))


def test_macs_are_met_as_counted_on_the_whole_model() -> None:
    from ablate.cost import count

    result = match_layout(
        Layout("alternate(conv, linear)", **{**SMALL, "widths": [32, 64]}),
        macs=20e6, resolution=64, classes=10, tolerance=0.005,
    )  # fmt: skip
    assert count(built(result.layout), 64).macs == result.value == result.leftover["macs"].after
    assert abs(result.value / 20e6 - 1) <= 0.005
    assert result.leftover["params"].after == built_params(result.layout)


def test_memory_is_weights_and_the_peak_of_one_inference() -> None:
    result = match_layout(Layout("softmax", **SMALL), memory=1.5e6, resolution=64, classes=10, tolerance=0.02)
    memory = trace_memory(built(result.layout), torch.empty(1, 3, 64, 64, device="meta"), "fused")
    assert memory.weights + memory.inference_peak == pytest.approx(result.value, rel=1e-3)
    assert abs(result.value / 1.5e6 - 1) <= 0.02


def test_heads_that_follow_from_the_width_stay_near_the_size_aimed_at() -> None:
    layout = Layout("softmax", widths=[64, 128], head_dim=32)
    for target in (0.1e6, 0.5e6, 2e6, 7e6):
        result = match_layout(layout, params=target, classes=10)
        for stage in result.layout.stages:
            assert 32 / 1.25 <= stage.width / stage.heads <= 32 * 1.25 or stage.heads == 2


def test_a_layout_within_the_tolerance_stays() -> None:
    layout = Layout("conv", **SMALL)
    result = match_layout(layout, params=built_params(layout) * 1.008, classes=10)
    assert result.layout == layout
    assert result.changes == {}
    assert "as it was" in result.note


def test_matching_again_changes_nothing() -> None:
    first = match_layout(Layout("alternate(conv, pool)", **SMALL), params=50e3, classes=10).layout
    assert match_layout(first, params=50e3, classes=10).layout == first


def test_timm_models_stay_and_say_so() -> None:
    result = match_layout(Layout("timm:resnet18"), params=5e6)
    assert result.layout.model == "resnet18"
    assert result.value == 11_689_512
    assert "timm" in result.note


@pytest.mark.parametrize(
    ("layout", "by", "words"),
    [
        (Layout(stages="conv conv | pool"), "depth", "spells its blocks out"),
        (Layout("convnext"), "expansion", "no block"),
    ],
)
def test_dials_that_a_layout_does_not_have(layout: Layout, by: str, words: str) -> None:
    with pytest.raises(BudgetError, match=words):
        match_layout(layout, params=1e6, by=by)


def test_spelled_out_layouts_can_be_matched_by_width() -> None:
    result = match_layout(Layout(stages="conv [pool conv]*2 | key_only"), params=1e6, classes=10)
    assert built_params(result.layout) == pytest.approx(1e6, rel=0.01)
    assert result.layout.depths == (5, 1)


def test_a_budget_below_the_least_size() -> None:
    with pytest.raises(BudgetError, match="nothing smaller") as caught:
        match_layout(Layout("conv", **SMALL), params=10_000, by="depth", classes=10)
    assert caught.value.below is None
    assert caught.value.above is not None
    assert caught.value.above.layout.depths == (1, 1)
    assert caught.value.above.value == built_params(caught.value.above.layout)


@pytest.mark.parametrize("budget", [{}, {"params": 1e6, "macs": 1e9}, {"params": -1}])
def test_wrong_budgets_are_refused(budget: dict[str, float]) -> None:
    with pytest.raises(AblateError):
        match_layout(Layout("conv"), **budget)


def test_a_study_reports_every_layout() -> None:
    layouts = {
        "a": Layout("conv", **SMALL, name="a"),
        "b": Layout(stages="conv | pool", name="b"),
        "c": Layout("timm:resnet18", name="c"),
        "d": Layout("timm:xcit_nano_12_p16_224", name="d"),  # refuses 40 px
    }
    match = Match(params=60_000, tolerance=0.05, by="depth")
    matched, results, problems = match_layouts(layouts, match, Input(resolution=40, classes=10))
    assert list(matched) == ["a", "b", "c", "d"]
    assert [result.layout.name for result in results] == ["a", "c"]
    assert built_params(matched["a"]) == pytest.approx(60e3, rel=0.05)
    assert matched["b"] == layouts["b"]
    assert len(problems) == 1
    assert "'b' spells" in str(problems[0])
    record = results[0].to_json()
    assert record["axes"]["params"]["after"] == record["value"]
    assert record["axes"]["macs"]["relative"] != 0


# --- brute force -------------------------------------------------------------------------------------------

STARTS = (12, 20)
HEADS = (2, 5)


@cache
def params_of_widths(widths: tuple[int, ...]) -> int:
    return built_params(Layout("conv(expand=1)", widths=list(widths), heads=list(HEADS), depths=1))


@cache
def params_of_depths(depths: tuple[int, ...]) -> int:
    return built_params(Layout("alternate(conv, key_only)", **{**SMALL, "depths": list(depths)}))


def near_one_factor(values: tuple[int, ...], starts: tuple[int, ...], steps: list[int]) -> bool:
    """Whether some factor has every value among the nearest multiples around factor x start."""
    low = max((v - u) / s for v, s, u in zip(values, starts, steps, strict=True))
    high = min((v + u) / s for v, s, u in zip(values, starts, steps, strict=True))
    return low < high


@cache
def all_widths() -> dict[tuple[int, ...], int]:
    sizes = {}
    for unit in (8, 4, 2, 1):
        steps = [math.lcm(unit, heads) for heads in HEADS]
        for values in itertools.product(*(range(step, 61, step) for step in steps)):
            least = all(v == u for v, u in zip(values, steps, strict=True))
            if near_one_factor(values, STARTS, steps) or least:
                sizes[values] = params_of_widths(values)
    return sizes


def neighbours(layout: Layout, **conditions: Any) -> tuple[Neighbour, Neighbour]:
    with pytest.raises(BudgetError) as caught:
        match_layout(layout, **conditions)
    assert caught.value.below is not None
    assert caught.value.above is not None
    return caught.value.below, caught.value.above


@given(target=st.integers(2_000, 14_000))
@settings(deadline=None, max_examples=40)
def test_width_search_finds_what_brute_force_finds(target: int) -> None:
    layout = Layout("conv(expand=1)", widths=list(STARTS), heads=list(HEADS), depths=1)
    candidates = all_widths()
    tolerance = 0.003
    possible = any(abs(value / target - 1) <= tolerance for value in candidates.values())
    conditions = {"params": target, "tolerance": tolerance, "classes": 10, "resolution": 16}
    if possible:
        result = match_layout(layout, **conditions)
        assert params_of_widths(result.layout.widths) == result.value
        assert abs(result.value / target - 1) <= tolerance
    else:
        below, above = neighbours(layout, **conditions)
        assert below.value == max(v for v in candidates.values() if v < target)
        assert above.value == min(v for v in candidates.values() if v > target)
        assert params_of_widths(below.layout.widths) == below.value


@given(target=st.integers(25_000, 60_000))
@settings(deadline=None, max_examples=25)
def test_depth_search_brackets_what_it_cannot_meet(target: int) -> None:
    near = {
        values: params_of_depths(values)
        for values in itertools.product(range(1, 11), repeat=2)
        if near_one_factor(values, (2, 2), [2, 2]) or values == (1, 1)
    }
    tolerance = 0.002
    layout = Layout("alternate(conv, key_only)", **SMALL)
    conditions = {"params": target, "tolerance": tolerance, "by": "depth", "classes": 10, "resolution": 16}
    if any(abs(value / target - 1) <= tolerance for value in near.values()):
        result = match_layout(layout, **conditions)
        assert params_of_depths(result.layout.depths) == result.value
        assert abs(result.value / target - 1) <= tolerance
    else:
        below, above = neighbours(layout, **conditions)
        assert below.value == max(v for v in near.values() if v < target)
        assert above.value == min(v for v in near.values() if v > target)
