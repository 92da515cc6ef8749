"""Ablations and expectations as parts of a study file: names, places of mistakes, the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ablate.errors import LayoutError
from ablate.study.load import load_study, parse_study

STUDY = """\
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [32, 64], depths: [2, 2], head_dim: 16, mlp_ratio: 2, ffn: conv}
layouts: {hybrid: "alternate(conv, key_only)"}
ablation:
  base: hybrid
  changes:
    no-attention: {replace: {key_only: conv(expand=2)}}
    plain-ffn: {set: {ffn: mlp}}
  design: leave-one-out
expect:
  - params of hybrid > params of hybrid/plain-ffn
  - macs of hybrid at 16 < 1M
measure: {complexity: {resolutions: [16]}}
report: {baseline: hybrid/no-attention, equivalent_within: 0.5, equivalent_ratio: 2%}
"""


def problems(text: str) -> str:
    with pytest.raises(LayoutError) as caught:
        parse_study(text)
    return str(caught.value)


def test_derived_layouts_are_layouts_of_the_study_and_may_be_the_baseline() -> None:
    study = parse_study(STUDY)
    assert list(study.layouts) == ["hybrid", "hybrid/no-attention", "hybrid/plain-ffn"]
    assert study.baseline == "hybrid/no-attention"
    assert study.ablations[0].design == "leave-one-out"
    assert str(study.expectations[0]) == "params of hybrid > params of hybrid/plain-ffn"
    assert (study.report.equivalent_within, study.report.equivalent_ratio) == (0.5, 0.02)


def test_a_study_without_them_has_none() -> None:
    study = parse_study('layouts: {a: "conv"}\ndefaults: {widths: [8], depths: [1]}\n')
    assert (study.ablations, study.expectations) == ((), ())


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("", "'task_accuracy' is measured on reach(size=16), count; say on which"),
        (" on flag", "'task_accuracy' is not measured on 'flag'; known: reach(size=16), count"),
        (" on reach", ""),
    ],
)
def test_a_line_names_the_task_where_there_are_several(on: str, message: str) -> None:
    text = STUDY.replace("macs of hybrid at 16 < 1M", f"task_accuracy of hybrid{on} > 50").replace(
        "measure: {", 'measure: {diagnostics: {tasks: ["reach(size=16)", count], images: 64}, '
    )
    if message:
        assert f"study.yaml:12:5: {message}" in problems(text)
    else:
        assert parse_study(text).expectations[1].terms[0].dataset == "reach"


def test_a_mistake_in_the_base_stands_alone() -> None:
    text = problems(STUDY.replace("base: hybrid", "base: hybrd"))
    assert text.startswith("study.yaml:5:9: unknown layout 'hybrd'; did you mean 'hybrid'?")
    assert "baseline" not in text
    assert "expect" not in text


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "params of hybrid >",
            "params of hybird >",
            "11:15",
            "unknown layout 'hybird'; did you mean 'hybrid'?",
        ),
        ("- params of hybrid >", "- accuracy of hybrid >", "11:5", "(count) cannot be compared"),
        ("macs of hybrid at 16 < 1M", "accuracy of hybrid > 90", "12:5", "does not measure 'accuracy'"),
        ("at 16 <", "at 32 <", "12:5", "not measured at 32 px; complexity is measured at 16"),
        ("equivalent_within: 0.5", "equivalent_within: 0", "14:60", "expected more than 0"),
        ("expect:\n", "expect:\n  - 3\n", "11:5", "expected a line"),
    ],
)
def test_mistakes_have_their_place(old: str, new: str, place: str, message: str) -> None:
    text = problems(STUDY.replace(old, new))
    assert f"study.yaml:{place}: " in text
    assert message in text.replace("\n", " ")


def test_without_checks_expectations_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace("macs of hybrid", "speed-of-light of hybrid"))
    study = load_study(file, check=False)
    assert study.expectations == ()
    assert len(study.layouts) == 3


def test_show_prints_the_design(tmp_path: Path) -> None:
    from ablate.cli import show  # noqa: F401  (the command registers itself)
    from ablate.cli.app import app

    file = tmp_path / "study.yaml"
    third = STUDY.replace("    plain-ffn:", "    wide: {set: {mlp_ratio: 3}}\n    plain-ffn:")
    half = third.replace("leave-one-out", "half").replace("baseline: hybrid/no-attention", "baseline: hybrid")
    file.write_text(half.replace("hybrid/plain-ffn", "hybrid/wide+plain-ffn"))
    result = CliRunner().invoke(app, ["show", str(file)])
    assert result.exit_code == 0, result.output
    assert "hybrid: half" in result.output
    rows = [re.sub("[│┃|]", " ", line).split() for line in result.output.splitlines()]
    assert ["hybrid/no-attention+wide", "x", "x"] in rows
    assert "cannot tell apart" in result.output
