"""The space: what may be chosen, how large it is, and what a choice becomes."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from ablate.errors import LayoutError
from ablate.layout.layout import Layout
from ablate.search import SearchSpace
from ablate.study.load import parse_study

HEAD = "study: s\ninput: {resolution: 16, channels: 1, classes: 10}\n"


def space(text: str) -> SearchSpace:
    return SearchSpace.of(parse_study(f"{HEAD}{text}"))


def test_every_choice_is_counted_once_and_gives_its_layout(counted: Any) -> None:
    search_space = SearchSpace.of(counted())
    everything = search_space.all_params()
    assert search_space.size == len(everything) == 2 * 2 * 2 * 1 * 2 * 2
    assert len({tuple(params.items()) for params in everything}) == search_space.size
    for params in everything:
        layout = search_space.layout(params)
        assert layout.depths == (params["depth1"], params["depth2"])
        assert layout.widths == (params["width1"], params["width2"])
        for number, stage in enumerate(layout.stages, start=1):
            assert {call.name for call in stage.blocks} == {params[f"pattern{number}"]}
        assert layout.stem[0].kwargs == {"stride": 4}  # the defaults of the file hold


def test_a_pattern_is_cycled_to_the_depth_and_cut_at_it() -> None:
    search_space = space(
        "search:\n  objectives: [minimize macs]\n"
        "  space: {depths: [[1, 5]], widths: [[32]], patterns: ['[conv pool]*2 key_only(gate=decay)']}\n"
    )
    (pattern,) = search_space.choices["pattern1"]
    assert pattern == "conv pool conv pool key_only(gate=decay)"
    for depth, text in ((1, "conv"), (2, "conv pool"), (5, pattern)):
        layout = search_space.layout({"depth1": depth, "width1": 32, "pattern1": pattern}, check=True)
        assert layout == Layout(text, widths=[32], depths=[depth])
        assert not layout.warnings


def test_without_patterns_the_layouts_of_the_file_are_changed() -> None:
    search_space = space(
        "layouts: {a: 'alternate(conv, softmax)', g: 'graft(conv, softmax, from=2)', r: timm:resnet18}\n"
        "search:\n  objectives: [minimize macs]\n"
        "  space: {widths: [[32], [64, 96], [128], [160]], depths: [[1, 2], [2, 2], [2, 2], [2, 2]]}\n"
    )
    assert search_space.choices["layout"] == ("a", "g")
    params = {"layout": "g", **{f"depth{i}": 2 for i in range(1, 5)}}
    params |= {"width1": 32, "width2": 96, "width3": 128, "width4": 160}
    expected = Layout("graft(conv, softmax, from=2)", widths=[32, 96, 128, 160], depths=[2, 2, 2, 2])
    assert search_space.layout(params, "new") == expected
    assert search_space.layout(params, "new").name == "new"


def test_numbers_keep_their_order_when_they_are_evenly_spaced() -> None:
    distributions = space(
        "search:\n  objectives: [minimize macs]\n"
        "  space: {widths: [[48, 16, 32], [32, 48, 96]], patterns: [conv]}\n"
    ).distributions
    assert distributions["width1"] == IntDistribution(16, 48, step=16)
    assert distributions["width2"] == CategoricalDistribution((32, 48, 96))
    assert distributions["pattern1"] == CategoricalDistribution(("conv",))


def test_ranges_lists_and_numbers_say_the_same() -> None:
    made = space(
        "search:\n  objectives: [minimize macs]\n"
        "  space: {depths: [3, [1, 3], 2..6 step 2], widths: [32, [48, 16], 32..64 step 16],\n"
        "          patterns: [conv]}\n"
    )
    assert [made.choices[f"depth{i}"] for i in (1, 2, 3)] == [(3,), (1, 2, 3), (2, 4, 6)]
    assert [made.choices[f"width{i}"] for i in (1, 2, 3)] == [(32,), (48, 16), (32, 48, 64)]
    assert made.distributions["depth3"] == IntDistribution(2, 6, step=2)


def test_arguments_and_parts_are_chosen_where_they_are_taken() -> None:
    made = space(
        "search:\n  objectives: [minimize macs]\n  space:\n"
        "    widths: [[32], [64]]\n    patterns: [conv, 'conv(expand=4) softmax']\n"
        "    arguments: {conv: {expand: [1, 2], kernel: 3..5 step 2}, ffn: {kernel: [5]}}\n"
        "    ffn: [mlp, conv]\n    stem: [overlap, overlap(stride=2)]\n    mlp_ratio: [2, [4, 8]]\n"
        "    head_dim: [8, 16]\n"
    )
    params: dict[str, Any] = {"width1": 32, "width2": 64, "pattern1": "conv"}
    params |= {"pattern2": "conv(expand=4) softmax", "conv.expand": 2, "conv.kernel": 5, "ffn.kernel": 5}
    params |= {"ffn": "mlp", "stem": "overlap(stride=2)", "mlp_ratio": "4 8", "head_dim": 8}
    assert set(params) == set(made.choices)
    layout = made.layout(params, check=True)
    same = Layout(
        "conv(expand=2, kernel=5) | conv(expand=4, kernel=5) softmax", widths=[32, 64], depths=[2, 2],
        stem="overlap(stride=2)", ffn="mlp", mlp_ratio=[4, 8], head_dim=8,
    )  # fmt: skip
    assert layout == same  # what a pattern writes itself stays; the mlp takes no kernel
    assert str(made.layout({**params, "ffn": "conv"}).settings.ffn) == "conv(kernel=5)"


def test_arguments_of_the_blocks_of_a_layout() -> None:
    made = space(
        "layouts: {g: 'graft(conv, softmax, from=2)'}\nsearch:\n  objectives: [minimize macs]\n"
        "  space: {widths: [[32], [64]], arguments: {conv: {expand: [1, 3]}}}\n"
        "defaults: {depths: [1, 2], widths: [32, 64]}\n"
    )
    params: dict[str, Any] = {"layout": "g", "width1": 32, "width2": 64, "conv.expand": 3}
    expected = Layout("graft(conv(expand=3), softmax, from=2)", widths=[32, 64], depths=[1, 2])
    assert made.layout(params, check=True) == expected


@pytest.mark.parametrize(
    ("given", "place", "message"),
    [
        pytest.param(
            "depths: [[1, 2, 3]]", "5:20", "expected two numbers, the least and the greatest", id="three"
        ),
        pytest.param("depths: [1-3]", "5:20", "expected a range such as '1..3'", id="no range"),
        pytest.param("widths: [64..32]", "5:20", "the range 64 to 32 is empty", id="empty range"),
        pytest.param("widths: [1..60000]", "5:20", "more than 1000 values; give a step", id="endless range"),
        pytest.param("ffn: [cnv], patterns: [pool]", "5:17", "did you mean 'conv'?", id="unknown ffn"),
        pytest.param(
            "patterns: [conv], arguments: {cov: {expand: [1]}}",
            "5:41",
            "did you mean 'conv'?",
            id="unknown block",
        ),
        pytest.param(
            "patterns: [conv], arguments: {conv: {expnd: [1]}}",
            "5:48",
            "did you mean 'expand'?",
            id="argument",
        ),
        pytest.param(
            "patterns: [conv(expand=2)], arguments: {conv: {expand: [1]}}",
            "5:58",
            "writes 'expand' itself",
            id="fixed",
        ),
        pytest.param(
            "patterns: [conv], arguments: {ffn: {kernel: [3]}}", "5:47", "unknown argument", id="mlp"
        ),
    ],
)
def test_mistakes_in_a_space_have_a_place(given: str, place: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        parse_study(f"{HEAD}search:\n  objectives: [minimize macs]\n  space: {{{given}}}\n", "s.yaml")
    assert f"s.yaml:{place}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("measure", "more", "message"),
    [
        ("core_seconds: 3", "rungs: {images: [100]}", "rungs count images"),
        ("epochs: 1, tune_lr: [0.1, 0.2]", "rungs: {images: [100]}", "not tune_lr"),
        ("images: 1k", "rungs: {images: [2k]}", "expected"),
        ("images: 1000", "rungs: {images: [2k]}", "is not below the whole schedule"),
        ("images: 1000", "rungs: {images: [200, 100]}", "must ascend"),
        ("images: 1000", "sampler: tpee", "did you mean 'tpe'?"),
    ],
)
def test_mistakes_in_rungs_and_samplers(measure: str, more: str, message: str) -> None:
    text = (
        f"{HEAD}search: {{objectives: [maximize accuracy], space: {{patterns: [conv]}}, {more}}}\n"
        f"measure: {{accuracy: {{dataset: digits, {measure}}}}}\n"
    )
    with pytest.raises(LayoutError, match=message):
        parse_study(text)


def test_an_end_needs_something_to_train() -> None:
    text = (
        f"{HEAD}search: {{objectives: [minimize macs], space: {{patterns: [conv]}}, final: {{layouts: 2}}}}\n"
    )
    with pytest.raises(LayoutError, match="no objective is measured over seeds"):
        parse_study(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "defaults: {heads: [2, 2, 2]}\nsearch:\n  objectives: [minimize macs]\n"
            "  space: {widths: [[32], [64]], patterns: [conv]}\n",
            "defaults.heads: 3 stages, but search.space.widths has 2",
            id="stages disagree with the defaults",
        ),
        pytest.param(
            "defaults: {heads: 3}\nsearch:\n  objectives: [minimize macs]\n"
            "  space: {widths: [[48], [96, 64]], patterns: [softmax]}\n",
            "3 heads cannot share the 64 channels of stage 2",
            id="one choice of many gives no layout",
        ),
        pytest.param(
            "search:\n  objectives: [minimize macs]\n  space: {widths: [[32], [64]]}\n",
            "give `patterns` to choose from, or `layouts` to change",
            id="nothing to choose from",
        ),
        pytest.param(
            "layouts: {s: {stages: conv conv}}\nsearch:\n  objectives: [minimize macs]\n"
            "  space: {depths: [[1, 2]]}\n",
            "`stages` spells the depths out",
            id="depths of a layout that is spelled out",
        ),
    ],
)
def test_a_space_without_layouts_is_an_error_before_anything_runs(text: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        space(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        pytest.param("  objectives: [minimise macs]", "5:16", "did you mean 'minimize'?", id="direction"),
        pytest.param("  objectives: [minimize mac]", "5:16", "did you mean 'macs'?", id="metric"),
        pytest.param(
            "  objectives: [minimize macs]\n  constraints: [params < 3M]",
            "6:17",
            "unknown comparison '<'",
            id="operator",
        ),
        pytest.param(
            "  objectives: [minimize macs]\n  constraints: [macs <= 3X]",
            "6:17",
            "unknown unit 'X'",
            id="unit",
        ),
        pytest.param(
            "  objectives: [minimize macs, maximize accuracy]",
            "5:31",
            "accuracy is not measured",
            id="accuracy without a schedule",
        ),
        pytest.param(
            "  objectives: [minimize macs]\n  constraints: [latency <= 3ms]",
            "6:17",
            "latency is not measured",
            id="latency without a protocol",
        ),
    ],
)
def test_mistakes_in_goals_have_a_place(line: str, place: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        parse_study(f"{HEAD}layouts: {{a: conv}}\nsearch:\n{line}\n  space: {{patterns: [conv]}}\n", "s.yaml")
    assert f"s.yaml:{place}: " in str(caught.value)
    assert message in str(caught.value)
