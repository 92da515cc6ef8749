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
    found = SearchSpace.of(counted())
    everything = found.all_params()
    assert found.size == len(everything) == 2 * 2 * 2 * 1 * 2 * 2
    assert len({tuple(params.items()) for params in everything}) == found.size
    for params in everything:
        layout = found.layout(params)
        assert layout.depths == (params["depth1"], params["depth2"])
        assert layout.widths == (params["width1"], params["width2"])
        for number, stage in enumerate(layout.stages, start=1):
            assert {call.name for call in stage.blocks} == {params[f"pattern{number}"]}
        assert layout.stem[0].kwargs == {"stride": 4}  # the defaults of the file hold


def test_a_pattern_is_cycled_to_the_depth_and_cut_at_it() -> None:
    found = space(
        "search:\n  objectives: [minimize macs]\n"
        "  space: {depths: [[1, 5]], widths: [[32]], patterns: ['[conv pool]*2 key_only(gate=decay)']}\n"
    )
    (pattern,) = found.choices["pattern1"]
    assert pattern == "conv pool conv pool key_only(gate=decay)"
    for depth, text in ((1, "conv"), (2, "conv pool"), (5, pattern)):
        layout = found.layout({"depth1": depth, "width1": 32, "pattern1": pattern}, check=True)
        assert layout == Layout(text, widths=[32], depths=[depth])
        assert not layout.warnings


def test_without_patterns_the_layouts_of_the_file_are_changed() -> None:
    found = space(
        "layouts: {a: 'alternate(conv, softmax)', g: 'graft(conv, softmax, from=2)', r: timm:resnet18}\n"
        "search:\n  objectives: [minimize macs]\n"
        "  space: {widths: [[32], [64, 96], [128], [160]], depths: [[1, 2], [2, 2], [2, 2], [2, 2]]}\n"
    )
    assert found.choices["layout"] == ("a", "g")
    params = {"layout": "g", **{f"depth{i}": 2 for i in range(1, 5)}}
    params |= {"width1": 32, "width2": 96, "width3": 128, "width4": 160}
    expected = Layout("graft(conv, softmax, from=2)", widths=[32, 96, 128, 160], depths=[2, 2, 2, 2])
    assert found.layout(params, "new") == expected
    assert found.layout(params, "new").name == "new"


def test_numbers_keep_their_order_when_they_are_evenly_spaced() -> None:
    found = space(
        "search:\n  objectives: [minimize macs]\n"
        "  space: {widths: [[48, 16, 32], [32, 48, 96]], patterns: [conv]}\n"
    ).distributions
    assert found["width1"] == IntDistribution(16, 48, step=16)
    assert found["width2"] == CategoricalDistribution((32, 48, 96))
    assert found["pattern1"] == CategoricalDistribution(("conv",))


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
