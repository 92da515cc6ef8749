"""Ablations: the layouts that each design makes, what a change may touch, and every mistake at its place."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydantic import BaseModel

from ablate.layout import Layout
from ablate.study.ablation import DESIGNS, AblationValue
from ablate.study.ablation_design import aliases, count_mistake, design_rows, full_factorial, half_factorial
from ablate.study.ablation_layouts import Ablations, make_ablations

HYBRID = Layout(
    "alternate(conv, key_only)", name="hybrid", widths=[32, 64, 96, 128], depths=[2, 2, 4, 2], ffn="conv"
)
SPELLED = Layout(stages="conv key_only | [conv key_only]*2 | softmax | softmax", name="spelled")
LAYOUTS = {
    "hybrid": HYBRID,
    "spelled": SPELLED,
    "swin": Layout("timm:swin_tiny_patch4_window7_224", check=False),
}
CHANGES: dict[str, Any] = {
    "no-attention": {"replace": {"key_only": "conv(expand=2)"}},
    "plain-ffn": {"set": {"ffn": "mlp"}},
    "wide-kernel": {"arguments": {"conv": {"kernel": 7}}, "stages": [1, 2]},
    "thin": {"set": {"widths": 48}, "stages": [1]},
    "no-ratio": {"set": {"mlp_ratio": 3}},
}


def made(changes: dict[str, Any], design: str = "leave-one-out", base: str = "hybrid") -> Ablations:
    return make_ablations({"base": base, "changes": changes, "design": design}, LAYOUTS)


def settings(outcome: Ablations, name: str) -> dict[str, Any]:
    assert outcome.mistakes == []
    return outcome.derived[name].settings.model_dump(exclude_none=True)


def mistakes(value: Any) -> list[tuple[str, tuple[str | int, ...], int | None]]:
    return [(item.message, item.path, item.offset) for item in make_ablations(value, LAYOUTS).mistakes]


def wrong(changes: dict[str, Any], design: str = "leave-one-out", base: str = "hybrid") -> list[Any]:
    return mistakes({"base": base, "changes": changes, "design": design})


def test_each_kind_of_change():
    outcome = made({**CHANGES, "grafted": {"layout": "graft(conv, softmax, from=3)"}})
    before = HYBRID.settings.model_dump(exclude_none=True)
    assert settings(outcome, "hybrid/no-attention") == before | {"layout": "conv conv(expand=2)"}
    assert settings(outcome, "hybrid/plain-ffn") == before | {"ffn": "mlp"}
    kernel = "conv(kernel=7) key_only | conv(kernel=7) key_only | conv key_only | conv key_only"
    assert settings(outcome, "hybrid/wide-kernel") == before | {"layout": kernel}
    assert settings(outcome, "hybrid/thin")["widths"] == (48, 64, 96, 128)
    assert settings(outcome, "hybrid/grafted") == before | {"layout": "graft(conv, softmax, from=3)"}
    assert outcome.derived["hybrid/no-attention"].depths == HYBRID.depths
    assert outcome.derived["hybrid/no-attention"].name == "hybrid/no-attention"
    only = outcome.ablations[0]
    assert only.names == ("hybrid", *outcome.derived)
    assert only.layouts["hybrid"] is HYBRID


def test_arguments_reach_parts_and_spelled_stages():
    outcome = made({"smooth": {"arguments": {"conv": {"kernel": 5}}}}, base="hybrid")
    # `conv` is a block here and the FFN too: the change is of everything called so
    assert settings(outcome, "hybrid/smooth")["layout"] == "conv(kernel=5) key_only"
    assert settings(outcome, "hybrid/smooth")["ffn"] == "conv(kernel=5)"
    outcome = made({"x": {"replace": {"key_only": "pool"}, "stages": [2]}}, base="spelled")
    text = "conv key_only | conv pool conv pool | softmax | softmax"
    assert settings(outcome, "spelled/x") == {"stages": text}
    outcome = made({"x": {"layout": {"layout": "conv", "widths": [32, 32, 32, 32]}}}, base="spelled")
    assert settings(outcome, "spelled/x") == {"layout": "conv", "widths": (32,) * 4, "depths": (2, 4, 1, 1)}
    outcome = made({"x": {"layout": "spelled"}, "y": {"layout": "timm:resnet18"}}, base="hybrid")
    assert outcome.derived["hybrid/x"] == SPELLED
    assert outcome.derived["hybrid/y"].text == "timm:resnet18"
    base = {"a": Layout("conv(expand=2) conv(expand=3)", name="a")}
    value = {"base": "a", "changes": {"x": {"replace": {"conv(expand=3)": "pool"}}}}
    assert str(make_ablations(value, base).derived["a/x"]) == "conv(expand=2) pool"


def test_designs_make_their_rows():
    three = {name: CHANGES[name] for name in ("no-attention", "plain-ffn", "thin")}
    assert made(three, "cumulative").ablations[0].names == (
        "hybrid",
        "hybrid/no-attention",
        "hybrid/no-attention+plain-ffn",
        "hybrid/no-attention+plain-ffn+thin",
    )
    assert made(three, "add-one").ablations[0].names == (
        "hybrid",
        "hybrid/no-attention+plain-ffn+thin",
        "hybrid/plain-ffn+thin",
        "hybrid/no-attention+thin",
        "hybrid/no-attention+plain-ffn",
    )
    full = made(three, "full").ablations[0]
    assert len(full.names) == len(set(full.names)) == 8
    assert full.aliases == ()
    half = made(three, "half")
    assert half.ablations[0].names == (
        "hybrid",
        "hybrid/no-attention+plain-ffn",
        "hybrid/no-attention+thin",
        "hybrid/plain-ffn+thin",
    )
    assert half.ablations[0].aliases[0] == "no-attention = -plain-ffn x thin"
    assert "cannot tell apart" in half.warnings[0].message
    combined = made(three, "full").derived["hybrid/no-attention+plain-ffn+thin"]
    assert str(combined) == "conv conv(expand=2)"
    assert str(combined.settings.ffn) == "mlp"
    assert combined.widths == (48, 64, 96, 128)


def test_single_stages_where_they_change_anything():
    changes = {"no-attention": CHANGES["no-attention"], "thin": {"set": {"widths": 40}, "stages": [2, 3]}}
    outcome = make_ablations({"base": "spelled", "changes": changes, "design": "stages"}, LAYOUTS)
    assert outcome.ablations[0].names == (  # stages 3 and 4 have no key_only
        "spelled",
        "spelled/no-attention@1",
        "spelled/no-attention@2",
        "spelled/thin@2",
        "spelled/thin@3",
    )
    head, rows = outcome.ablations[0].table()
    assert head == ("layout", "no-attention", "thin")
    assert rows[0] == ("spelled", "", "")
    assert rows[2] == ("spelled/no-attention@2", "stage 2", "")


def test_the_table_says_what_is_made_where():
    _, rows = made({"a": CHANGES["no-attention"], "b": CHANGES["thin"]}, "full").ablations[0].table()
    assert rows == (
        ("hybrid", "", ""),
        ("hybrid/a", "x", ""),
        ("hybrid/b", "", "x"),
        ("hybrid/a+b", "x", "x"),
    )


def test_several_ablations_share_layouts():
    first = {"base": "hybrid", "changes": {"a": CHANGES["thin"]}}
    second = {
        "base": "hybrid",
        "changes": {"a": CHANGES["thin"], "b": CHANGES["plain-ffn"]},
        "design": "full",
    }
    for value in ([first, second], {"one": first, "two": second}):
        outcome = make_ablations(value, LAYOUTS)
        assert outcome.mistakes == []
        assert list(outcome.derived) == ["hybrid/a", "hybrid/b", "hybrid/a+b"]
    assert [ablation.name for ablation in outcome.ablations] == ["one", "two"]
    second["changes"]["a"] = CHANGES["no-ratio"]
    assert mistakes([first, second]) == [
        ("another layout is called 'hybrid/a' already", (1, "changes", "a"), None)
    ]


WRONG: dict[str, tuple[Any, ...]] = {
    "unknown base": ({"a": CHANGES["thin"]}, "full", "hybird"),
    "unknown change key": ({"a": {"replac": {}}},),
    "nothing in it": ({"a": {}},),
    "unknown block": ({"a": {"replace": {"key_onli": "conv"}}},),
    "unknown replacement": ({"a": {"replace": {"key_only": "sofmax"}}},),
    "bad pattern": ({"a": {"replace": {"key_only": "conv(expand=)"}}},),
    "bad argument": ({"a": {"arguments": {"key_only": {"gat": "global"}}}},),
    "bad value": ({"a": {"arguments": {"key_only": {"gate": "globl"}}}},),
    "constructor": ({"a": {"arguments": {"conv": {"kernel": 4}}}},),
    "bad setting": ({"a": {"set": {"ffn": "mpl"}}},),
    "changes nothing": ({"a": {"set": {"ffn": "conv"}}},),
    "default written out": ({"a": {"arguments": {"key_only": {"gate": "window"}}}},),
    "no such stage": ({"a": {"replace": {"key_only": "conv"}, "stages": [5]}},),
    "not in the stage": ({"a": {"replace": {"softmax": "conv"}, "stages": [1]}}, "leave-one-out", "spelled"),
    "exclude": ({"a": CHANGES["no-attention"], "b": {"arguments": {"key_only": {"gate": "global"}}}}, "full"),
    "few": ({"a": CHANGES["thin"], "b": CHANGES["plain-ffn"]}, "half"),
    "many": ({f"c{i}": {"set": {"head_dim": 4 + i}} for i in range(8)}, "full"),
    "timm": ({"a": CHANGES["thin"]}, "leave-one-out", "swin"),
    "name": ({"a/b": CHANGES["thin"]},),
}

SAID = {
    "unknown base": [("unknown layout 'hybird'; did you mean 'hybrid'?", ("base",), None)],
    "unknown change key": [
        ("unknown key 'replac'; did you mean 'replace'?", ("changes", "a", "replac"), None)
    ],
    "nothing in it": [("a change needs one of replace, arguments, set, layout", ("changes", "a"), None)],
    "unknown block": [
        (
            "the base 'hybrid' has no block 'key_onli'; did you mean 'key_only'?",
            ("changes", "a", "replace", "key_onli"),
            None,
        )
    ],
    "unknown replacement": [
        ("unknown block 'sofmax'; did you mean 'softmax'?", ("changes", "a", "replace", "key_only"), 0)
    ],
    "bad pattern": [("expected a value, got ')'", ("changes", "a", "replace", "key_only"), 12)],
    "bad argument": [
        (
            "unknown argument 'gat' of 'key_only'; did you mean 'gate'?",
            ("changes", "a", "arguments", "key_only", "gat"),
            None,
        )
    ],
    "constructor": [("conv: kernel must be odd, got 4", ("changes", "a"), None)],
    "bad setting": [("unknown ffn 'mpl'; did you mean 'mlp'?", ("changes", "a", "set", "ffn"), 0)],
    "changes nothing": [("the change 'a' changes nothing", ("changes", "a"), None)],
    "default written out": [("the change 'a' changes nothing", ("changes", "a"), None)],
    "no such stage": [
        (
            "the base has 4 stages, got 5",
            ("changes", "a", "stages", 0),
            None,
        )
    ],
    "not in the stage": [
        (
            "the base 'spelled' has no 'softmax' in the stages given",
            ("changes", "a", "replace", "softmax"),
            None,
        )
    ],
    "exclude": [
        (
            "'a' and 'b' exclude each other: both change argument 'gate' of the key_only of stage 1",
            ("changes", "b"),
            None,
        )
    ],
    "few": [("the design 'half' needs 3 changes at least, got 2", ("design",), None)],
    "many": [
        (
            "the design 'full' of 8 changes has 256 layouts, 64 at most; take 'leave-one-out'",
            ("design",),
            None,
        )
    ],
    "timm": [
        (
            "the base 'swin' is a model of timm, which has no blocks to change; use `layout`",
            ("changes", "a"),
            None,
        )
    ],
    "name": [("a change's name has no spaces and none of / + @, got 'a/b'", ("changes", "a/b"), None)],
}


@pytest.mark.parametrize("case", [case for case in WRONG if case in SAID])
def test_mistakes_have_their_place(case: str):
    assert wrong(*WRONG[case])[: len(SAID[case])] == SAID[case]


def test_a_wrong_value_names_the_choices():
    ((message, path, _),) = wrong(*WRONG["bad value"])
    assert "did you mean 'global'?" in message
    assert path == ("changes", "a", "arguments", "key_only", "gate")


def test_a_base_that_is_broken_itself_is_not_called_unknown():
    value = {"base": "broken", "changes": {"a": CHANGES["thin"]}}
    assert make_ablations(value, LAYOUTS, names=["broken"]).mistakes == []
    assert len(make_ablations(value, LAYOUTS).mistakes) == 1


def test_changes_of_different_arguments_go_together():
    changes = {
        "gate": {"arguments": {"key_only": {"gate": "global"}}},
        "gated": {"arguments": {"key_only": {"gate_proj": True}}},
    }
    outcome = made(changes, "full")
    assert outcome.mistakes == []
    assert str(outcome.derived["hybrid/gate+gated"]) == "conv key_only(gate=global, gate_proj=true)"


def test_a_replacement_is_not_what_another_change_speaks_of():
    changes = {"no-attention": CHANGES["no-attention"], "kernel": {"arguments": {"conv": {"kernel": 5}}}}
    outcome = made(changes, "full")
    assert str(outcome.derived["hybrid/no-attention+kernel"]) == "conv(kernel=5) conv(expand=2)"


@settings_of_hypothesis(max_examples=20, deadline=None)
@given(st.permutations(list(CHANGES)), st.sampled_from(["full", "half", "add-one", "cumulative"]))
def test_the_order_of_changes_does_not_matter(order: list[str], design: Any):
    chosen = {name: CHANGES[name] for name in order}
    outcome = make_ablations({"base": "hybrid", "changes": chosen, "design": design}, LAYOUTS, check=False)
    again = make_ablations({"base": "hybrid", "changes": CHANGES, "design": design}, LAYOUTS, check=False)
    by_set = {
        frozenset(row.made): outcome.ablations[0].layouts[row.name("hybrid")]
        for row in outcome.ablations[0].rows
    }
    for row in again.ablations[0].rows:
        if frozenset(row.made) in by_set:
            assert by_set[frozenset(row.made)] == again.ablations[0].layouts[row.name("hybrid")]


@pytest.mark.parametrize("factors", [3, 4, 5, 6, 7])
def test_half_designs_are_balanced_and_hold_the_base(factors: int):
    rows = half_factorial(factors)
    assert len(set(rows)) == len(rows) == 2 ** (factors - 1)
    assert (False,) * factors in rows
    signs = [[1 if made else -1 for made in row] for row in rows]
    for a, b in itertools.combinations(range(factors), 2):
        assert sum(row[a] for row in signs) == 0
        assert sum(row[a] * row[b] for row in signs) == 0
    assert len(set(full_factorial(factors))) == 2**factors


def test_aliases_are_those_of_the_rows():
    """Terms are aliases when their columns agree, or are opposite, in every row."""
    for factors in (3, 4, 5):
        names = [f"c{i}" for i in range(factors)]
        rows = [[1 if made else -1 for made in row] for row in half_factorial(factors)]
        columns = {name: tuple(row[i] for row in rows) for i, name in enumerate(names)}
        for i, j in itertools.combinations(range(factors), 2):
            columns[f"{names[i]} x {names[j]}"] = tuple(row[i] * row[j] for row in rows)
        expected = set()
        for (a, x), (b, y) in itertools.combinations(columns.items(), 2):
            if x == y or x == tuple(-value for value in y):
                expected.add(f"{a} = {'' if x == y else '-'}{b}")
        assert set(aliases(names)) == expected


def test_every_design_has_rows_and_counts():
    for design in DESIGNS:
        rows = design_rows(design, ("a", "b", "c"), stages=4)
        assert rows[0].made == ()
        assert len({row.name("x") for row in rows}) == len(rows)
        assert count_mistake(design, 3) is None


def test_without_checks_torch_stays_out():
    code = (
        "import sys\n"
        "from ablate.layout import Layout\n"
        "from ablate.study.ablation_layouts import make_ablations\n"
        "base = {'h': Layout('conv softmax', name='h', check=False)}\n"
        "value = {'base': 'h', 'changes': {'a': {'replace': {'softmax': 'what'}}}}\n"
        "found = make_ablations(value, base, check=False)\n"
        "assert str(found.derived['h/a']) == 'conv what', found\n"
        "assert 'torch' not in sys.modules and 'pyDOE3' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_schema_for_editors_knows_changes_and_designs():
    class File(BaseModel):
        ablation: AblationValue = None

    schema = File.model_json_schema()
    item = {"base": "a", "changes": {"x": {"arguments": {"conv": {"kernel": 7}}, "stages": [1]}}}
    for value in (item, [item], {"first": item}):
        jsonschema.validate({"ablation": value}, schema)
    for wrong in ({"base": "a"}, {**item, "design": "halves"}, {**item, "changes": {"x": {"sets": {}}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"ablation": wrong}, schema)
