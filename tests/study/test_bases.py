"""Layouts based on others, and definitions of a whole file."""

from __future__ import annotations

import json

import jsonschema
import pytest
from ruamel.yaml import YAML

from ablate.layout import LayoutError
from ablate.study import parse_study, study_json_schema

FILE = """\
define: {hybrid: conv softmax, unused: pool}
defaults: {widths: [16, 32], depths: [2, 2], head_dim: 8}
layouts:
  small: hybrid
  wide: {base: small, widths: [32, 64], layer_scale: 1.0e-5}
  post: {base: wide, norm_place: post, layer_scale: none}
  spelled: {base: post, stages: conv | conv hybrid}
  own: {base: small, layout: pair, define: {pair: hybrid pool}}
"""


def test_a_base_gives_what_is_not_said() -> None:
    layouts = parse_study(FILE).layouts
    assert layouts["wide"].widths == (32, 64)
    assert layouts["wide"].stages[0].blocks == layouts["small"].stages[0].blocks
    post = layouts["post"].stages[0].recipe
    assert (post.norm_place, post.layer_scale) == ("post", None)
    assert layouts["wide"].stages[0].recipe.layer_scale == 1e-5
    assert layouts["spelled"].depths == (1, 3)
    assert layouts["spelled"].widths == (32, 64)
    assert [str(call) for call in layouts["own"].stages[0].blocks] == ["conv", "softmax"]
    assert layouts["own"].settings.define == {"hybrid": "conv softmax", "pair": "hybrid pool"}
    assert layouts["small"].settings.define == {"hybrid": "conv softmax"}


def test_a_written_layout_needs_no_file() -> None:
    for name, layout in parse_study(FILE).layouts.items():
        entry = json.dumps({"layouts": {name: layout.to_yaml_dict()}})
        assert parse_study(entry).layouts[name] == layout


def test_the_schema_takes_it() -> None:
    jsonschema.validate(YAML(typ="safe").load(FILE), study_json_schema())


@pytest.mark.parametrize(
    ("layouts", "message"),
    [
        ("a: conv\n  b: {base: c}", "3:13: unknown layout 'c'; known: a"),
        ("a: {base: b}\n  b: {base: a}", "2:13: a layout cannot be its own base: a -> b -> a"),
        (
            "a: timm:resnet18\n  b: {base: a, depths: [1]}",
            "3:13: 'a' is a model of timm: it has no settings to build on",
        ),
        ("a: {layout: conv, ffn: mpl}\n  b: {base: a}", "2:26: unknown ffn 'mpl'; did you mean 'mlp'?"),
        ("a: conv\n  b: {base: a, widhts: [8]}", "3:16: unknown key 'widhts'; did you mean 'widths'?"),
    ],
)
def test_mistakes_have_their_place(layouts: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        parse_study(f"layouts:\n  {layouts}\n", "s.yaml")
    first = str(caught.value.problems[0]).split("\n")[0]
    assert first == f"s.yaml:{message}"


def test_a_definition_is_wrong_once() -> None:
    text = "define: {h: conv pol}\nlayouts: {a: h, b: h pool}\n"
    with pytest.raises(LayoutError) as caught:
        parse_study(text, "s.yaml")
    assert [str(problem).split("\n")[0] for problem in caught.value.problems] == [
        "s.yaml:1:18: unknown block 'pol'; did you mean 'pool'?"
    ]
