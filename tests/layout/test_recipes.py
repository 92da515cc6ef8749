"""What stands around a mixer, parts as arguments, pieces, branches, definitions; and their mistakes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ablate import Layout
from ablate.layout import BlockCall, LayoutError
from ablate.layout.pattern import parse_chain, parse_pattern
from ablate.model import parts

TWO = {"widths": [16, 32], "depths": [1, 2], "head_dim": 8}


def mistake(*args: Any, **settings: Any) -> str:
    with pytest.raises(LayoutError) as caught:
        Layout(*args, **settings)
    return str(caught.value.problems[0]).split("\n")[0]


def test_a_recipe_holds_for_its_stage() -> None:
    layout = Layout(
        "conv", **TWO, ffn=["conv", "glu(act=silu)"], norm_place=["pre", "post"], res_scale=["none", 1]
    )
    first, second = (stage.recipe for stage in layout.stages)
    assert (str(first.ffn), first.norm_place, first.res_scale) == ("conv", "pre", None)
    assert (str(second.ffn), second.norm_place, second.res_scale) == ("glu(act=silu)", "post", 1.0)


def test_braces_go_before_the_stage() -> None:
    layout = Layout("conv | softmax softmax{ffn=none, norm=batch(eps=0.1), layer_scale=0.5}", **TWO)
    stage = layout.stages[1]
    own = stage.recipe.of(stage.blocks[1])
    assert (str(own.ffn), str(own.norm), own.layer_scale) == ("none", "batch(eps=0.1)", 0.5)
    assert stage.recipe.of(stage.blocks[0]) == stage.recipe
    block = layout.build(3).stages[1]["block2"]
    assert block.ffn is None
    assert block.norm1.eps == 0.1
    assert block.layer_scale1.weight.eq(0.5).all()


def test_ampersand_is_the_sum_of_branches() -> None:
    torch.manual_seed(0)
    layout = Layout("conv & softmax(qkv_bias=false)", widths=[16], depths=[1])
    assert layout.stages[0].blocks == (
        BlockCall("parallel", (("of", ("conv", BlockCall("softmax", (("qkv_bias", False),)))),)),
    )
    mixer = layout.build(3).stages[0]["block1"].mixer
    x = torch.randn(2, 16, 5, 4)
    torch.testing.assert_close(mixer(x), mixer.branches[0](x) + mixer.branches[1](x))
    assert mixer.branches[1].qkv.bias is None


def test_what_is_written_reads_back() -> None:
    text = "conv & softmax | split(of=[identity, depthwise(kernel=[1, 11])], shares=[3, 1]){ffn=none}"
    for layout in (
        Layout(text, **TWO, head="convolution(width=8) mlp(act=gelu, norm=none)", position=["cpe", "none"]),
        Layout("hybrid", **TWO, define={"hybrid": "conv key_only{norm=batch}"}, layer_scale=[1e-5, "none"]),
    ):
        again = Layout(**{("text" if k == "layout" else k): v for k, v in layout.to_yaml_dict().items()})
        assert again == layout
        assert again.to_dict() == layout.to_dict()


def test_defaults_written_or_not_are_one_identity() -> None:
    plain, written = (
        Layout("conv"),
        Layout("conv(kernel=3, act=gelu)", norm="layer(eps=1e-6)", stem="overlap(norm=layer)"),
    )
    assert plain.identity() == written.identity()
    assert plain.identity() != Layout("conv", norm="layer(eps=1e-5)").identity()
    assert plain.identity() != Layout("conv", head="pool").identity()


def test_parts_used_are_all_of_them() -> None:
    layout = Layout("conv & pool", stem="overlap(norm=batch)", ffn="conv", position="cpe", head="pool_norm")
    names = {(kinds[-1], call.name) for kinds, call in layout.parts_used()}
    assert names >= {("block", "parallel"), ("mixer", "conv"), ("mixer", "pool"), ("norm", "batch")}
    assert names >= {("ffn", "conv"), ("position", "cpe"), ("head", "pool_norm"), ("norm", "layer")}


def test_a_stem_in_pieces_leads_to_its_stage() -> None:
    stem = "convolution(width=8, stride=2, norm=batch, act=relu) maxpool convolution(before=layer)"
    layout = Layout("conv", **TWO, stem=stem, head="convolution(width=40, kernel=1) pool")
    chain = [(name, part.in_dim, part.dim) for name, part in parts(layout, 1, 7)]
    assert chain[:3] == [("stem.1", 1, 8), ("stem.2", 8, 8), ("stem.3", 8, 16)]
    assert chain[-2:] == [("head.1", 32, 40), ("head", 40, 7)]
    assert layout.total_stride == 8
    assert layout.build(7, 1)(torch.randn(2, 1, 32, 24)).shape == (2, 7)


def test_learned_positions_are_told_once_a_stage() -> None:
    model = Layout("conv", widths=[16], depths=[3], position="learned(size=4)").build(3)
    tables = [name for name, _ in model.named_parameters() if "table" in name]
    assert tables == ["stages.0.block1.position.table"]
    conditional = Layout("conv", widths=[16], depths=[3], position="cpe").build(3)
    assert sum("position.weight" in name for name, _ in conditional.named_parameters()) == 3


def test_definitions_stand_for_their_items() -> None:
    layout = Layout(
        "hybrid*2 | [hybrid pool]", define={"pair": "conv pool", "hybrid": "pair softmax"}, depths=[6, 4]
    )
    assert [str(call) for call in layout.stages[0].blocks] == ["conv", "pool", "softmax"] * 2
    assert [str(call) for call in layout.stages[1].blocks] == ["conv", "pool", "softmax", "pool"]


def test_rules_take_patterns() -> None:
    pattern = parse_pattern("graft(conv conv, [conv softmax]*2, from=2)")
    assert [len(cycle) for cycle in pattern.cycles] == [2, 4]
    assert [str(word.call) for word in parse_pattern("alternate(conv pool, softmax)").cycles[0]] == [
        "conv",
        "pool",
        "softmax",
    ]
    assert len(parse_chain("conv maxpool")) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "conv{fn=none}"}, "layout:1:6: unknown setting 'fn' of a block; did you mean 'ffn'?"),
        ({"text": "conv{ffn=mpl}"}, "layout:1:10: unknown ffn 'mpl'; did you mean 'mlp'?"),
        ({"text": "conv{mlp_ratio=none}"}, "layout:1:16: 'mlp_ratio' must be a positive number, got none"),
        (
            {"text": "conv{norm_place=pst}"},
            "layout:1:17: 'norm_place' must be pre or post or res_post or none, got pst; "
            "did you mean 'post'?",
        ),
        ({"text": "conv{ffn=mlp"}, "layout:1:13: expected ',' or '}', got the end"),
        ({"text": "conv & sofmax"}, "layout:1:8: unknown block 'sofmax'; did you mean 'softmax'?"),
        ({"text": "conv & mbconv"}, "layout:1:8: unknown block 'mbconv'; did you mean 'conv'?"),
        (
            {"text": "split(of=[conv, pol(size=3)])"},
            "layout:1:17: unknown block 'pol'; did you mean 'pool'?",
        ),
        (
            {"text": "split(of=[conv, pool(size=4)])"},
            "layout:1:27: pool: size must be odd, got 4",
        ),
        (
            {"text": "depthwise(kernel=[3])"},
            "layout:1:18: argument 'kernel' of 'depthwise' must be a whole number or "
            "[a whole number, a whole number], got [3]",
        ),
        (
            {"text": "conv", "stem": "overlap(norm=laier)"},
            "stem:1:14: unknown norm 'laier'; did you mean 'layer'?",
        ),
        (
            {"text": "conv", "ffn": ["mlp", "conv", "mpl", "mlp"]},
            "ffn[2]:1:1: unknown ffn 'mpl'; did you mean 'mlp'?",
        ),
        (
            {"text": "conv", "stem": "convolution(width=8) convolution(width=64)"},
            "stem:1:34: the last piece has the stage's width, 64: leave 'width' out",
        ),
        (
            {"text": "conv", "stem": "convolution maxpool"},
            "stem:1:1: 'convolution' needs a width here, as in convolution(width=64)",
        ),
        (
            {"text": "conv", "stem": "convolution(width=8) maxpool"},
            "stem:1:22: 'maxpool' leaves the channels as they are, 8, but the stage has 64",
        ),
        ({"text": "conv", "head": "pool pool"}, "head:1:1: unknown stem 'pool'; did you mean 'maxpool'?"),
        (
            {"text": "conv", "head": "convolution pool"},
            "head:1:1: 'convolution' needs a width here, as in convolution(width=64)",
        ),
        (
            {"text": "h", "define": {"h": "conv pol"}},
            "define.h:1:6: unknown block 'pol'; did you mean 'pool'?",
        ),
        (
            {"text": "conv", "define": {"pool": "conv"}},
            "define.pool: 'pool' is the name of a block; a definition needs one of its own",
        ),
        (
            {"text": "conv", "widths": [8, 16, 32], "downsample": ["overlap"]},
            "downsample: `downsample` has 1 value, but 2 lie between 3 stages",
        ),
        (
            {"text": "conv", "position": "sine", "widths": [6]},
            "position:1:1: sine: sine needs a multiple of four channels, got 6",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_a_mistake_is(settings: dict[str, Any], message: str) -> None:
    assert mistake(**settings) == message
