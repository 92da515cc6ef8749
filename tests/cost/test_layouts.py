"""The sum over the parts is the whole: MACs and memory of random layouts, exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocks
from ablate import Layout
from ablate.cost import Tally, count, layout_cost, trace_memory
from ablate.cost.count import CountingMode, run_pass
from ablate.cost.parts import forget
from ablate.errors import AblateError
from ablate.model import build

BLOCKS = (
    *blocks.names("mixer", "block"),
    "key_only(gate=global)",
    "key_only(gate=decay, kernel=3)",
    "window(size=4, shift=true)",
    "conv(kernel=5, expand=1.5)",
    "sra(ratio=4)",
)
STAGE = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2).map(" ".join)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Small layouts of one to three stages."""
    stages = draw(st.lists(STAGE, min_size=1, max_size=3))
    return Layout(
        stages=" | ".join(stages),
        widths=tuple(draw(st.sampled_from((8, 16, 24))) for _ in stages),
        heads=[draw(st.sampled_from((2, 4))) for _ in stages],
        mlp_ratio=draw(st.sampled_from((1, 2.5))),
        stem=draw(st.sampled_from(("overlap", "patchify", "overlap(stride=2)"))),
        ffn=draw(st.sampled_from(("mlp", "conv"))),
        norm=draw(st.sampled_from(("layer", "batch"))),
        drop_path=draw(st.sampled_from((0.0, 0.2))),
    )


SIZES = st.tuples(st.integers(1, 5), st.integers(1, 5)).map(lambda size: (8 * size[0] + 3, 8 * size[1]))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(), size=SIZES)
def test_the_sum_of_the_parts_is_the_count_of_the_whole(layout: Layout, size: tuple[int, int]) -> None:
    """The whole runs with real data on the CPU, which at this size is faster than `meta`."""
    cost = layout_cost(layout, size, classes=7)
    model = build(layout, classes=7).eval()
    mode, image = CountingMode(), torch.zeros(1, 3, *size).to(memory_format=torch.channels_last)
    run_pass(mode, model, image, False, "fused")
    whole = mode.total
    assert cost.params == sum(parameter.numel() for parameter in model.parameters())
    assert (cost.macs, cost.uncounted) == (whole.macs, tuple(sorted(mode.uncounted)))
    assert (cost.elementwise, cost.activations) == (whole.elementwise, whole.activations)
    for rows in (cost.stages, cost.blocks):
        assert sum(row["macs"] for row in rows) == cost.macs
        assert sum(row["params"] for row in rows) == cost.params


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(), size=SIZES, kernel=st.sampled_from(("fused", "math")))
def test_composed_memory_is_that_of_the_whole(layout: Layout, size: tuple[int, int], kernel: str) -> None:
    composed = layout_cost(layout, size, classes=7, batch=2).memory_of(kernel)
    with torch.device("meta"):
        model = build(layout, classes=7)
        image = torch.zeros(2, 3, *size).to(memory_format=torch.channels_last)
    assert composed == trace_memory(model, image, kernel)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(), size=SIZES)
def test_training_macs_of_the_parts_are_those_of_the_whole(layout: Layout, size: tuple[int, int]) -> None:
    cost = layout_cost(layout, size, classes=7, batch=2)
    with torch.device("meta"):
        model = build(layout, classes=7)
    whole = count(model, size, batch=2)
    assert cost.work == Tally(whole.macs, whole.elementwise, whole.bytes, whole.activations)
    assert cost.training_macs == count(model, size, batch=2, training=True).macs
    stem = next(row for row in cost.blocks if row["name"] == "stem")
    if "key_only" not in layout.text:  # its window sums are products with constants, which need no gradient
        assert cost.training_macs == 3 * cost.macs - stem["macs"]


def test_a_second_count_is_remembered_and_the_same() -> None:
    layout = Layout("alternate(conv, key_only)", widths=(16, 32), depths=(2, 2))
    forget()
    cold = layout_cost(layout, 64).to_json()
    assert layout_cost(layout, 64).to_json() == cold


def test_json_of_a_layout() -> None:
    record = layout_cost(Layout("softmax", widths=(16, 32), depths=(1, 2)), (64, 32), classes=10).to_json()
    assert {"params", "macs", "flops", "resolution", "uncounted", "memory", "stages", "blocks"} <= set(record)
    assert {"training_macs", "elementwise", "bytes", "activations"} <= set(record)
    assert record["resolution"] == [64, 32]
    assert record["flops"] == 2 * record["macs"]
    assert [row["name"] for row in record["stages"]] == ["stem", "stage1", "stage2", "head"]
    assert record["stages"][2]["resolution"] == [8, 4]
    assert set(record["memory"]["fused"]) == {"inference_peak", "saved_activations", "training_peak"}


def test_a_timm_model_is_counted_whole() -> None:
    cost = layout_cost(Layout("timm:pvt_v2_b0"), 224)
    assert (cost.params, cost.macs) == (3_666_760, 566_065_664)
    assert sum(row["macs"] for row in cost.stages) == cost.macs
    assert sum(row["params"] for row in cost.stages) == cost.params
    assert cost.training_macs == 3 * cost.macs - 3 * 32 * 49 * 56 * 56
    assert cost.memory["weights"] >= 4 * cost.params


def test_a_refused_size_is_an_error_of_the_user() -> None:
    with pytest.raises(AblateError, match="100 x 100"):
        layout_cost(Layout("timm:xcit_nano_12_p16_224"), 100)
