"""Layouts as Python makes them: cycling, heads, equality, replacing settings, and writing them out."""

import contextlib
import math
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ablate import Layout
from ablate.layout import BlockCall, LayoutError
from ablate.layout.resolve import choose_heads
from ablate.study import parse_study

MIXERS = ("conv", "key_only", "softmax", "window(size=5)", "conv(kernel=3, expand=2)", "linear")


def names(layout: Layout) -> list[list[str]]:
    return [[str(block) for block in stage.blocks] for stage in layout.stages]


@st.composite
def arguments(draw, *, spelled: bool | None = None):
    """Keyword arguments of a valid layout."""
    count = draw(st.integers(1, 5))
    block = st.sampled_from(MIXERS)
    cycle = st.lists(block, min_size=1, max_size=3).map(" ".join)
    pattern = st.lists(cycle, min_size=count, max_size=count).map(" | ".join)
    per_stage = {"min_size": count, "max_size": count}
    given = {
        "widths": draw(st.lists(st.sampled_from((32, 48, 64, 96, 160)), **per_stage)),
        "mlp_ratio": draw(
            st.one_of(st.sampled_from((2, 4.0)), st.lists(st.sampled_from((1, 3.5, 8)), **per_stage))
        ),
        "stem": draw(st.sampled_from(("overlap", "overlap(stride=2)", "patchify"))),
        "ffn": draw(st.sampled_from(("mlp", "conv"))),
        "head_dim": draw(st.sampled_from((16, 32, 64))),
        "drop_path": draw(st.sampled_from((0.0, 0.1))),
    }
    if draw(st.booleans()) if spelled is None else spelled:
        return given | {"stages": draw(pattern)}
    rules = [st.builds("alternate({}, {})".format, block, block), cycle, pattern]
    rules.append(st.builds("graft({}, {}, from={})".format, block, block, st.integers(1, count)))
    return given | {"text": draw(st.one_of(rules)), "depths": draw(st.lists(st.integers(1, 6), **per_stage))}


def test_alternate_fills_every_stage():
    layout = Layout("alternate(conv, key_only)", widths=(32, 64), depths=(2, 3))
    assert names(layout) == [["conv", "key_only"], ["conv", "key_only", "conv"]]
    assert layout.warnings == ("stage 2: a pattern of 2 blocks does not divide the depth 3",)


def test_graft_changes_at_its_stage():
    layout = Layout("graft(conv, softmax, from=3)", depths=1)
    assert names(layout) == [["conv"], ["conv"], ["softmax"], ["softmax"]]
    assert not layout.warnings


def test_stages_spell_the_depths_out():
    layout = Layout(stages="[conv conv key_only]*2 | conv key_only | key_only | softmax")
    assert layout.depths == (6, 2, 1, 1)
    assert layout.widths == (64, 128, 320, 512)


def test_any_number_of_stages_and_stem_strides():
    layout = Layout("conv | softmax", widths=(16, 32), stem="overlap(stride=2)")
    assert layout.stem == (BlockCall("overlap", (("stride", 2),)),)
    assert layout.widths == (16, 32)
    assert layout.depths == (2, 2)
    assert Layout("conv", widths=[8] * 6, depths=1).depths == (1,) * 6


@pytest.mark.parametrize(
    ("widths", "head_dim", "heads"),
    [
        ((64, 128, 320, 512), 64, (2, 2, 5, 8)),
        ((32, 64, 160, 256), 32, (2, 2, 5, 8)),
        ((48, 96, 240, 384), 64, (2, 2, 4, 6)),
        ((64, 128, 320, 512), 32, (2, 4, 10, 16)),
        ((7, 1), 32, (7, 1)),
    ],
)
def test_heads_follow_from_the_width(widths, head_dim, heads):
    assert Layout("conv", widths=widths, head_dim=head_dim, depths=1).heads == heads


@given(st.integers(2, 1024), st.integers(1, 128))
def test_no_other_divisor_is_nearer(width, head_dim):
    def distance(heads):
        return abs(math.log(heads * head_dim / width))

    chosen = choose_heads(width, head_dim)
    others = [d for d in range(2, width + 1) if width % d == 0]
    assert chosen in others
    assert distance(chosen) <= min(map(distance, others)) + 1e-9


def test_given_heads_are_obeyed():
    assert Layout("softmax", widths=(64, 128), heads=(1, 16)).heads == (1, 16)
    assert Layout("softmax", widths=(64, 128), heads=4).heads == (4, 4)


def test_equal_networks_are_equal_layouts():
    rule = Layout("alternate(conv, key_only)", name="a", depths=2)
    spelled = Layout(stages="conv key_only | conv key_only | conv key_only | [conv key_only]", name="b")
    assert rule == spelled
    assert hash(rule) == hash(spelled)
    assert rule.to_dict() == spelled.to_dict()
    assert rule != rule.replace(widths=(64, 128, 320, 480))
    assert Layout("conv(expand=2.0)").to_dict() == Layout("conv(expand=2)").to_dict()


def test_a_layout_is_frozen():
    with pytest.raises(AttributeError):
        Layout("conv").name = "other"


@settings(max_examples=40, deadline=None)
@given(arguments(), arguments())
def test_replace_is_making_it_anew(first, second):
    layout = Layout(**first)
    changes = {key: second[key] for key in ("stem", "ffn", "head_dim", "drop_path")}
    assert layout.replace(**changes) == Layout(**{**first, **changes})
    assert layout.replace() == layout
    assert layout.replace(**second) == Layout(**second)


def test_replace_keeps_the_name_and_forgets_with_none():
    layout = Layout("softmax", name="mine", heads=1, depths=3)
    assert layout.replace(depths=1).name == "mine"
    assert layout.replace(heads=None).heads == Layout("softmax").heads
    assert layout.replace(text="conv").name == "mine"
    assert Layout("softmax").replace(text="conv").name == "conv"
    assert layout.replace(stages="conv | conv | conv | conv").depths == (1, 1, 1, 1)


@settings(max_examples=40, deadline=None)
@given(arguments())
def test_the_written_entry_reads_back(given_arguments):
    layout = Layout(**given_arguments)
    out = StringIO()
    hostile = {"widths": [8], "depths": [9], "stem": "patchify", "drop_path": 0.9, "heads": 1}
    YAML(typ="safe").dump({"defaults": hostile, "layouts": {"it": layout.to_yaml_dict()}}, out)
    again = parse_study(out.getvalue()).layouts["it"]
    assert again == layout
    assert again.to_dict() == layout.to_dict()


@settings(max_examples=40, deadline=None)
@given(arguments(spelled=False))
def test_cycling(given_arguments):
    layout = Layout(**given_arguments)
    assert list(layout.depths) == given_arguments["depths"]
    once = Layout(**{**given_arguments, "depths": 6})  # every cycle of one to three blocks divides 6
    assert not once.warnings
    for stage, full in zip(layout.stages, once.stages, strict=True):
        assert stage.blocks == full.blocks[: len(stage.blocks)]


def test_timm_models_are_layouts():
    layout = Layout("timm:resnet18")
    assert (layout.model, layout.text, layout.name) == ("resnet18", "timm:resnet18", "timm:resnet18")
    assert layout.to_dict() == {"timm": "resnet18"}
    assert layout.to_yaml_dict() == {"layout": "timm:resnet18"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a layout needs `layout` or `stages`"),
        (
            {"text": "alternate(conv, sofmax)"},
            "layout:1:17: unknown block 'sofmax'; did you mean 'softmax'?\n"
            "    alternate(conv, sofmax)\n"
            "                    ^",
        ),
        ({"text": "conv", "widths": (64, "a")}, "widths[1]: expected a whole number, got 'a'"),
        ({"text": "conv", "widths": 0}, "widths: expected at least 1, got 0"),
        ({"text": "conv", "mlp_ratio": True}, "mlp_ratio: expected a number, got true"),
        ({"text": "conv", "depths": []}, "depths: the list is empty"),
        ({"text": "conv", "drop_path": 1}, "drop_path: expected less than 1, got 1"),
        (
            {"text": "a | b", "widths": (1, 2, 3), "check": False},
            "layout: the pattern has 2 stages, but `widths` has 3 values",
        ),
        (
            {"text": "conv", "widths": (8, 8), "depths": (1,)},
            "depths: `depths` has 1 value, but `widths` has 2",
        ),
        ({"text": "conv", "depths": (1,) * 5}, "layout: a layout of 5 stages needs `widths`"),
        ({"text": "softmax", "heads": 5}, "heads: 5 heads cannot share the 64 channels of stage 1"),
        (
            {"stages": "conv", "widths": 8, "depths": 2},
            "depths: `stages` spells the depths out; give `depths` with `layout`, not with `stages`",
        ),
        ({"text": "timm:resnet18", "widths": 8}, "widths: 'widths' does not apply to a model of timm"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(LayoutError) as caught:
        Layout(**arguments)
    assert str(caught.value) == message


def test_all_mistakes_come_together():
    with pytest.raises(LayoutError) as caught:
        Layout("conv(kernel=4) | conv(krnel=3)", stem="overlp", ffn="conv conv", widths=(8, 16))
    messages = [str(problem).split("\n")[0] for problem in caught.value.problems]
    assert messages == [
        "ffn:1:6: expected nothing after 'conv', got 'conv'",
        "stem:1:1: unknown stem 'overlp'; did you mean 'overlap'?",
        "layout:1:13: conv: kernel must be odd, got 4",
        "layout:1:23: unknown argument 'krnel' of 'conv'; did you mean 'kernel'?",
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("conv(kernel=true)", "argument 'kernel' of 'conv' must be a whole number, got true"),
        ("conv(kernel=3.0)", "argument 'kernel' of 'conv' must be a whole number, got 3.0"),
        ("conv(expand=true)", "argument 'expand' of 'conv' must be a number, got true"),
        ("key_only(gate_proj=1)", "argument 'gate_proj' of 'key_only' must be true or false, got 1"),
        (
            "key_only(gate=globl)",
            "argument 'gate' of 'key_only' must be 'window' or 'global' or 'decay', got globl; "
            "did you mean 'global'?",
        ),
        ("softmax(num_heads=4)", "argument 'num_heads' of 'softmax' is set by the model, from the stage"),
        ("identity(size=3)", "unknown argument 'size' of 'identity'; it takes none"),
    ],
)
def test_arguments_are_strict(call, message):
    with pytest.raises(LayoutError) as caught:
        Layout(call)
    assert [problem.message for problem in caught.value.problems] == [message]


def test_equal_values_of_other_types_are_not_taken_for_each_other():
    assert Layout("conv(kernel=3)")
    for call in ("conv(kernel=3.0)", "key_only(gate_proj=0)"):
        with pytest.raises(LayoutError):
            Layout(call)
    assert Layout("conv(kernel=3)")
    assert Layout("key_only(gate_proj=false)")


def test_the_constructors_objection_names_the_stage_that_has_it():
    assert Layout("key_only", widths=(64,), heads=2)
    with pytest.raises(LayoutError, match="two heads"):
        Layout("key_only", widths=(64,), heads=1)


def test_replace_knows_its_settings():
    with pytest.raises(LayoutError, match="unknown setting 'width'; did you mean 'widths'"):
        Layout("conv").replace(width=3)


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(max_size=5))
def test_any_text_is_a_layout_or_a_layout_error(text, stem):
    with contextlib.suppress(LayoutError):
        Layout(text, stem=stem, check=False)
