"""Ladders: sizes by width under the rules of divisibility and by depth, names, mistakes with their places."""

from __future__ import annotations

import re

import pytest

from ablate.errors import LayoutError
from ablate.study.ladder import scaled_width
from ablate.study.load import parse_study
from ablate.study.study import Study

STUDY = """\
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [32, 60], depths: [2, 4], heads: [2, 5], mlp_ratio: 2}
layouts: {a: key_only, b: "alternate(conv, softmax)"}
ladder: LADDER
"""


def study_of(ladder: str, old: str = "", new: str = "") -> Study:
    return parse_study(STUDY.replace("LADDER", ladder).replace(old, new))


def test_by_width_heads_stay_and_divide_the_width() -> None:
    study = study_of("{scales: [0.5, 0.71, 1, 1.41]}")
    assert list(study.layouts) == ["a", "b", *(f"{n}*{s}" for n in "ab" for s in ("0.5", "0.71", "1.41"))]
    assert [study.layouts[f"a{s}"].widths for s in ("*0.5", "*0.71", "", "*1.41")] == [
        (16, 40),
        (24, 40),
        (32, 60),
        (44, 80),
    ]
    for layout in study.layouts.values():
        assert layout.heads == (2, 5)
        assert layout.depths == (2, 4)
        layout.build(10, 1)
    assert [rung for _, rung in study.ladders[0].rungs] == ["a*0.5", "a*0.71", "a", "a*1.41"]


@pytest.mark.parametrize(
    ("ladder", "name"), [("{scales: [0.5, 1]}", "a*0.5"), ("{budgets: [25k, 50k], tolerance: 10%}", "a@25k")]
)
def test_a_ladder_takes_no_layout_s_name(ladder: str, name: str) -> None:
    with pytest.raises(LayoutError, match=f"another layout is called '{re.escape(name)}' already"):
        study_of(ladder, "{a: key_only,", f"{{a: key_only, '{name}': softmax,")


def test_budgets_are_sizes_too() -> None:
    study = study_of("{budgets: [50k, 25k], layouts: [a], tolerance: 10%}")
    assert list(study.layouts) == ["a", "b", "a@25k", "a@50k"]
    assert study.ladders[0].rungs == (("25k", "a@25k"), ("50k", "a@50k"))
    both = study_of("{scales: [0.5, 1], budgets: [100k], of: macs, layouts: [b]}")
    assert [size for size, _ in both.ladders[0].rungs] == ["0.5", "1", "100k"]
    assert both.budgets["b@100k"].macs == 100_000


def test_by_depth_of_named_layouts() -> None:
    study = study_of("{scales: [2, 0.5, 1], by: depth, layouts: [b]}")
    assert list(study.layouts) == ["a", "b", "b*0.5", "b*2"]
    assert [study.layouts[name].depths for _, name in study.ladders[0].rungs] == [(1, 2), (2, 4), (4, 8)]


@pytest.mark.parametrize(
    ("width", "heads", "scale", "expected"),
    [(64, 4, 0.5, 32), (64, 4, 0.71, 44), (60, 5, 0.1, 20), (30, 3, 0.5, 15)],
)
def test_widths_go_in_steps(width: int, heads: int, scale: float, expected: int) -> None:
    assert scaled_width(width, heads, scale) == expected


@pytest.mark.parametrize(
    ("ladder", "place", "message"),
    [
        ("{scales: [1]}", "4:9", "two sizes at least"),
        ("{budgets: [1k, 1000]}", "4:19", "1000 is given twice"),
        ("{budgets: [1k, none]}", "4:24", "none"),
        ("{budgets: [123456, 123457]}", "4:28", "two budgets are called 123.5k"),
        ("{scales: [1, 1]}", "4:18", "1.0 is given twice"),
        ("{scales: [1, 1.01]}", "4:22", "'a' has the same sizes at 1 and 1.01: widths go in steps"),
        ("{scales: [1, 2], layouts: [c]}", "4:36", "unknown layout 'c'"),
        ("{scales: [1, 2], by: height}", "4:30", "expected width, depth, got 'height'"),
        ("{scales: [1, 2]}\nmatch: {params: 1M}", "4:1", "`match` would bring all sizes"),
    ],
)
def test_mistakes_have_their_place(ladder: str, place: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        study_of(ladder)
    assert message in str(caught.value)
    assert f"study.yaml:{place}: " in str(caught.value)


def test_a_layout_that_cannot_be_scaled_is_named() -> None:
    with pytest.raises(LayoutError, match="'b' is no layout of the language"):
        study_of("{scales: [1, 2]}", '"alternate(conv, softmax)"', "timm:resnet18")
