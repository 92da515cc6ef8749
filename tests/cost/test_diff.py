"""Differences between layouts: rows add up to what the whole layouts cost, and name what changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.cost.compare.alignment import GAP, align
from ablate.cost.compare.diff import LayoutDiff, diff
from ablate.cost.compare.shares import Costs
from ablate.cost.layouts import layout_cost
from ablate.cost.roofline import MachinePeak, roofline_seconds
from ablate.layout.layout import Layout

PEAK = MachinePeak(5e10, 1e10, "imaginary", 1)
BASE = {"widths": [16, 32], "heads": [2, 4], "mlp_ratio": 2}


def layout(text: str, **settings: object) -> Layout:
    return Layout(text, **{**BASE, "depths": [2, 4], **settings})


def compare(a: Layout, b: Layout, resolution: int = 32) -> LayoutDiff:
    return diff(a, b, resolution, classes=10, batch=2, peak=PEAK)


def assert_adds_up(difference: LayoutDiff, a: Layout, b: Layout, resolution: int = 32) -> None:
    """Rows against the costs of the whole layouts, counted without this module."""
    costs = [layout_cost(side, resolution, classes=10, batch=2) for side in (a, b)]
    total = sum((row.delta for row in difference.rows), Costs())
    for name in ("params", "macs", "elementwise", "bytes"):
        assert getattr(total, name) == getattr(costs[1], name) - getattr(costs[0], name)
    for kernel in ("fused", "math"):
        saved = [cost.memory[kernel]["saved_activations"] for cost in costs]
        assert getattr(total, f"saved_{kernel}") == saved[1] - saved[0]
        peaks = [cost.memory[kernel]["inference_peak"] for cost in costs]
        assert [peak.bytes for peak in difference.peaks[kernel]] == peaks
    seconds = [roofline_seconds(cost, PEAK) for cost in costs]
    assert total.time_ms == pytest.approx(1000 * (seconds[1] - seconds[0]), abs=1e-9)


ALTERNATE = layout("alternate(conv, key_only)")

CHANGES = {
    "graft": layout("graft(conv, softmax, from=2)"),
    "widths": layout("alternate(conv, key_only)", widths=[16, 48]),
    "deeper": layout("alternate(conv, key_only)", depths=[2, 6]),
    "shallower": layout("alternate(conv, key_only)", depths=[1, 3]),
    "stages": layout("alternate(conv, key_only)", widths=[16, 32, 64], heads=[2, 4, 8], depths=[2, 2, 2]),
    "stem": layout("alternate(conv, key_only)", stem="patchify(stride=2)"),
    "ffn": layout("alternate(conv, key_only)", ffn="conv", norm="batch"),
    "drop": layout("alternate(conv, key_only)", drop_path=0.2),
    "whole blocks": layout("convnext mbconv pool"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_rows_add_up_exactly(name: str) -> None:
    for a, b in ((ALTERNATE, CHANGES[name]), (CHANGES[name], ALTERNATE)):
        difference = compare(a, b)
        assert difference.rows
        assert_adds_up(difference, a, b)


def test_equal_layouts_have_no_rows() -> None:
    difference = compare(ALTERNATE, ALTERNATE.replace(text="conv key_only"))
    assert difference.rows == ()
    assert difference.total == Costs()


def test_a_swap_is_named_and_equal_swaps_are_one_row() -> None:
    difference = compare(layout("alternate(conv, key_only)"), layout("alternate(conv, softmax)"))
    assert [(r.place, r.change, r.before, r.after, len(r.parts)) for r in difference.rows] == [
        ("stage1", "swap", "key_only", "softmax", 1),
        ("stage2", "swap", "key_only", "softmax", 2),
    ]
    assert difference.rows[1].parts == (
        ("stage2.block2", "stage2.block2"),
        ("stage2.block4", "stage2.block4"),
    )
    N, C = 2 * 4 * 4, 32
    softmax, key_only = 4 * N * C**2 + 2 * (N // 2) * N * C, 3 * N * C**2 + N * C + N * C // 2 + 7 * N * C
    assert difference.rows[1].delta.macs == 2 * (softmax - key_only)


def test_an_inserted_block_does_not_shift_the_others() -> None:
    a, b = (
        Layout(stages="conv pool | conv key_only", **BASE),
        Layout(stages="conv pool | softmax conv key_only", **BASE),
    )
    difference = compare(a, b)
    (row,) = (row for row in difference.rows if row.change != "resize")
    assert (row.change, row.after, row.parts) == ("insert", "softmax", (("", "stage2.block1"),))
    assert_adds_up(difference, a, b)


def test_a_width_is_shown_where_it_changes() -> None:
    difference = compare(ALTERNATE, CHANGES["widths"])
    assert {row.place for row in difference.rows} == {"stage2", "head"}
    details = [row.detail for row in difference.rows]
    assert any("width 32 to 48" in detail for detail in details)
    assert difference.rows[-1].detail == "channels in 32 to 48"


def test_timm_models_are_one_row() -> None:
    model = Layout("timm:resnet18")
    difference = compare(model, ALTERNATE, 64)
    (row,) = difference.rows
    assert row.delta == difference.total
    assert row.delta.params == layout_cost(ALTERNATE, 64, classes=10).params - (11_689_512 - 990 * 513)


def test_the_record_is_plain_data() -> None:
    record = json.loads(json.dumps(compare(ALTERNATE, CHANGES["graft"]).to_json()))
    for name in (field.name for field in fields(Costs) if field.name != "time_ms"):
        assert sum(row["delta"][name] for row in record["rows"]) == record["total"][name]
    assert set(record["inference_peak"]) == {"fused", "math"}


letters = st.text("abAB", max_size=5)


def unlike(x: str, y: str) -> int:
    """Equal letters fit, upper and lower case are near, others are not."""
    return 0 if x == y else 1 if x.lower() == y.lower() else 2


@given(a=letters, b=letters)
@settings(deadline=None, max_examples=150)
def test_alignment_is_as_cheap_as_any(a: str, b: str) -> None:
    @cache
    def cheapest(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return GAP * (len(a) - i + len(b) - j)
        return min(
            cheapest(i + 1, j + 1) + unlike(a[i], b[j]), cheapest(i + 1, j) + GAP, cheapest(i, j + 1) + GAP
        )

    pairs: Sequence[tuple[str | None, str | None]] = align(a, b, unlike)
    assert "".join(x for x, _ in pairs if x) == a
    assert "".join(y for _, y in pairs if y) == b
    assert sum(unlike(x, y) if x and y else GAP for x, y in pairs) == cheapest(0, 0)
