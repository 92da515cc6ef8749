"""Study files that are in order: sections, defaults, the matrix, the user's own blocks, warnings."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ablate import Layout, load_study
from ablate.layout import AblateError, LayoutError
from ablate.study import Constraint, Objective, Study, parse_study
from ablate.study.goals import parse_constraint, parse_objective
from ablate.study.shipped import find_study, shipped_studies


def test_the_documented_example(example):
    study = parse_study(example)
    assert list(study.layouts) == [
        "alternate-key_only",
        "alternate-softmax",
        "alternate-window(size=7)",
        "alternate-linear",
        "graft3-key_only",
        "graft3-softmax",
        "graft3-window(size=7)",
        "graft3-linear",
        "mine",
        "swin-t",
    ]
    assert study.layouts["graft3-softmax"] == Layout(
        "graft(conv, softmax, from=3)", depths=(2, 2, 4, 2), head_dim=64, mlp_ratio=(8, 8, 4, 4), ffn="conv"
    )
    assert study.layouts["mine"].depths == (6, 2, 1, 1)
    assert study.layouts["mine"].heads == (2, 2, 4, 6)
    assert study.layouts["swin-t"].model == "swin_tiny_patch4_window7_224"
    assert all(layout.name == name for name, layout in study.layouts.items())
    assert study.match is not None
    assert (study.match.quantity, study.match.target, study.match.tolerance) == ("params", 13_100_000, 0.01)
    assert study.measure.accuracy is not None
    assert (study.measure.accuracy.epochs, study.measure.accuracy.seeds) == (5, 5)
    assert study.report.baseline == "alternate-key_only"
    assert study.text == example
    assert not study.warnings


def test_a_study_is_frozen(example):
    study = parse_study(example, check=False)
    with pytest.raises(FrozenInstanceError):
        study.name = "other"


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_in_order(name):
    study = load_study(find_study(name))
    assert study.name == name
    assert study.layouts or study.search


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(AblateError, match="did you mean 'quickstart'"):
        find_study("quikstart")


def test_the_name_is_the_files_unless_given(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("layouts: {a: conv}\n")
    study = load_study(path)
    assert (study.name, study.path) == ("mine", path)


def test_measurements_without_resolutions_use_the_inputs():
    measure = "measure: {complexity: {}, memory: {resolutions: 8}}"
    study = parse_study(f"layouts: {{a: conv}}\ninput: {{resolution: 32}}\n{measure}\n")
    assert study.measure.complexity is not None
    assert study.measure.complexity.resolutions == (32,)
    assert study.measure.memory is not None
    assert study.measure.memory.resolutions == (8,)
    assert study.measure.throughput is None


class TestDefaults:
    def test_a_layouts_own_settings_win(self):
        study = parse_study(
            "defaults: {widths: [8, 16], depths: 3}\nlayouts: {a: {layout: conv, depths: 1}, b: conv}\n"
        )
        assert study.layouts["a"] == Layout("conv", widths=(8, 16), depths=1)
        assert study.layouts["b"] == Layout("conv", widths=(8, 16), depths=3)

    def test_default_depths_do_not_apply_to_stages(self):
        study = parse_study(
            "defaults: {widths: [8, 16], depths: 3}\nlayouts: {a: {stages: conv | conv conv}}\n"
        )
        assert study.layouts["a"].depths == (1, 2)

    def test_none_apply_to_a_model_of_timm(self):
        study = parse_study("defaults: {widths: [8, 16]}\nlayouts: {a: {layout: 'timm:resnet18'}}\n")
        assert study.layouts["a"].model == "resnet18"

    def test_anchors_share_settings(self):
        study = parse_study("layouts:\n  a: &a {layout: conv, widths: 8}\n  b: {<<: *a, layout: softmax}\n")
        assert study.layouts["b"] == Layout("softmax", widths=8)


class TestVary:
    def test_two_names_give_the_product(self):
        text = "vary: {m: [conv, softmax], w: [[8], [16]]}\n"
        text += "layouts:\n  $m-$w: {layout: $m, widths: $w}\n  plain: conv\n"
        study = parse_study(text)
        assert list(study.layouts) == ["conv-8", "conv-16", "softmax-8", "softmax-16", "plain"]
        assert study.layouts["softmax-16"] == Layout("softmax", widths=(16,))

    def test_only_the_names_that_a_layout_uses_multiply_it(self):
        study = parse_study(
            "vary: {m: [conv, softmax], k: [3, 5]}\nlayouts: {a-$m: $m, b-$k: conv(kernel=$k)}\n"
        )
        assert list(study.layouts) == ["a-conv", "a-softmax", "b-3", "b-5"]
        assert study.layouts["b-5"] == Layout("conv(kernel=5)")

    def test_braces_end_a_name(self):
        study = parse_study("vary: {m: [conv]}\nlayouts: {'${m}_net': '${m} ${m}'}\n")
        assert study.layouts["conv_net"] == Layout("conv conv")

    def test_a_number_stays_a_number(self):
        study = parse_study(
            "vary: {d: [1, 2], p: [0.1]}\nlayouts:\n  a$d: {layout: conv, depths: $d, drop_path: $p}\n"
        )
        assert study.layouts["a2"] == Layout("conv", depths=2, drop_path=0.1)

    def test_a_list_may_hold_names_in_a_layout(self):
        study = parse_study("vary: {w: [8, 16]}\nlayouts:\n  a-$w: {layout: conv, widths: [$w, 32]}\n")
        assert study.layouts["a-16"].widths == (16, 32)

    def test_a_value_may_be_a_whole_layout(self):
        study = parse_study("vary: {l: ['graft(conv, softmax, from=2)', timm:resnet18]}\nlayouts: {$l: $l}\n")
        assert list(study.layouts) == ["graft(conv, softmax, from=2)", "timm:resnet18"]

    def test_an_unused_name_is_a_warning(self):
        study = parse_study("vary: {m: [conv], n: [1]}\nlayouts: {a-$m: $m}\n", "f.yaml")
        assert study.warnings == ("f.yaml:1:19: no layout uses '$n'",)


def test_warnings_have_places():
    text = "defaults: {depths: 3}\nlayouts:\n  a: conv softmax\nmeasure:\n  throughput: {processes: 1}\n"
    text += "  accuracy: {dataset: digits, seeds: 1}\n"
    assert parse_study(text, "f.yaml").warnings == (
        *(
            f"f.yaml:3:6: a: stage {i}: a pattern of 2 blocks does not divide the depth 3"
            for i in range(1, 5)
        ),
        "f.yaml:5:27: one process gives no error bar; use 3 or more",
        "f.yaml:6:38: one seed gives no error bar; use 3 or more",
    )


class TestMatch:
    def test_quantities(self):
        study = parse_study("layouts: {a: conv}\nmatch: {memory: 512MiB, by: depth}\n")
        assert study.match is not None
        assert (study.match.quantity, study.match.target, study.match.by) == ("memory", 2**29, "depth")

    def test_depth_cannot_change_what_is_spelled_out(self):
        with pytest.raises(LayoutError, match=r"f.yaml:1:15: `stages` fixes the depths"):
            parse_study("layouts: {a: {stages: conv}}\nmatch: {params: 1M, by: depth}\n", "f.yaml")


class TestSearch:
    TEXT = """\
defaults: {widths: [16, 32], depths: 2}
search:
  objectives: [minimize macs, maximize accuracy]
  constraints: [params <= 3.4M, "latency <= 5 ms", accuracy >= 70%, memory <= 1GiB]
  space: {depths: [[1, 3], [1, 4]], widths: [[16], [32, 48]], patterns: [conv, conv softmax]}
  trials: 7
measure: {throughput: {}, accuracy: {dataset: digits}}
"""

    def test_goals_are_typed(self):
        search = parse_study(self.TEXT).search
        assert search is not None
        assert search.objectives == (Objective("minimize", "macs"), Objective("maximize", "accuracy"))
        assert [
            (constraint.metric, constraint.op, constraint.value) for constraint in search.constraints
        ] == [
            ("params", "<=", 3.4e6),
            ("latency", "<=", 5.0),
            ("accuracy", ">=", 70.0),
            ("memory", "<=", 2**30),
        ]
        assert [str(objective) for objective in search.objectives] == ["minimize macs", "maximize accuracy"]
        assert str(search.constraints[0]) == "params <= 3.4M"
        assert (search.trials, search.seed, search.sampler) == (7, 0, "tpe")

    def test_patterns_are_for_all_stages_or_for_each(self):
        search = parse_study(self.TEXT).search
        assert search is not None
        assert search.space.patterns == (("conv", "conv softmax"),)
        per_stage = parse_study(
            self.TEXT.replace("[conv, conv softmax]", "[[conv], [softmax, linear]]")
        ).search
        assert per_stage is not None
        assert per_stage.space.patterns == (("conv",), ("softmax", "linear"))

    def test_what_is_trained_for_must_be_measured(self):
        with pytest.raises(LayoutError) as caught:
            parse_study(self.TEXT[: self.TEXT.index("measure")], "f.yaml")
        assert [str(problem).split(":")[1:3] for problem in caught.value.problems] == [
            ["3", "31"],
            ["4", "33"],
            ["4", "52"],
        ]

    def test_violation_is_relative_and_negative_inside(self):
        bound = parse_constraint("params <= 2M")
        assert bound.violation(3e6) == pytest.approx(0.5)
        assert bound.violation(1e6) == pytest.approx(-0.5)
        assert Constraint("accuracy", ">=", 50, "").violation(40) == pytest.approx(0.2)

    @pytest.mark.parametrize(
        "text", ["", "macs", "minimize", 3, None, ["minimize", "macs"], "minimize all macs"]
    )
    def test_what_is_no_objective(self, text):
        with pytest.raises(ValueError, match="expected an objective"):
            parse_objective(text)

    @pytest.mark.parametrize("text", ["", "macs", "macs <", "<= 3", 3, None, "3 <= macs <= 4", "macs <= 5%"])
    def test_what_is_no_constraint(self, text):
        with pytest.raises(ValueError, match=r"constraint|comparison|metric|size|percentage"):
            parse_constraint(text)


OWN_BLOCK = '''\
import torch
from torch import nn

import blocks


@blocks.register("mixer", "{name}")
class Mine(nn.Module):
    """Mixes nothing."""

    def __init__(self, dim: int, *, size: int = 3):
        super().__init__()
        if size < 0:
            raise ValueError(f"size must be at least 0, got {{size}}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
'''


class TestOwnBlocks:
    def study(self, folder: Path, text: str) -> Study:
        path = folder / "layouts.yaml"
        path.write_text(text)
        return load_study(path)

    def test_they_are_words_of_the_language(self, tmp_path):
        (tmp_path / "own.py").write_text(OWN_BLOCK.format(name="own_mixer"))
        study = self.study(tmp_path, "blocks: [own.py]\nlayouts: {a: conv own_mixer(size=5)}\n")
        assert study.extensions == (tmp_path / "own.py",)
        assert str(study.layouts["a"].stages[0].blocks[1]) == "own_mixer(size=5)"
        with pytest.raises(LayoutError, match="2:29: own_mixer: size must be at least 0, got -1"):
            self.study(tmp_path, "blocks: [own.py]\nlayouts: {a: own_mixer(size=-1)}\n")

    def test_a_file_that_fails_is_one_problem(self, tmp_path):
        (tmp_path / "bad.py").write_text("1 / 0\n")
        with pytest.raises(LayoutError) as caught:
            self.study(tmp_path, "blocks: [bad.py]\nlayouts: {a: conv other_mixer}\n")
        assert [problem.message for problem in caught.value.problems] == [
            "cannot import bad.py: division by zero"
        ]

    def test_without_a_check_nothing_is_imported(self, tmp_path):
        (tmp_path / "bad.py").write_text("1 / 0\n")
        path = tmp_path / "layouts.yaml"
        path.write_text("blocks: [bad.py]\nlayouts: {a: conv other_mixer}\n")
        study = load_study(path, check=False)
        assert str(study.layouts["a"].stages[0].blocks[1]) == "other_mixer"
