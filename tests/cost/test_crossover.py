"""Curves and crossovers against closed forms and against a scan of every allowed resolution."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.cost.compare.crossover import crossover, crossovers
from ablate.cost.compare.curves import Curve, curves
from ablate.cost.layouts import layout_cost
from ablate.cost.roofline import MachinePeak, roofline_seconds
from ablate.layout.layout import Layout

PEAK = MachinePeak(5e10, 1e10, "imaginary", 1)
LISTED = (64, 96, 160, 224, 320, 448, 512)
ONE_STAGE = {"widths": [16], "heads": [2], "depths": 1}
TWO_STAGES = {"widths": [16, 32], "heads": [2, 4], "depths": 1}


def curve(name: str, at: Callable[[int], float], stride: int = 4, listed: tuple[int, ...] = LISTED) -> Curve:
    return Curve(name, "macs", listed, tuple(at(side) for side in listed), stride, at)


def scan(a: Curve, b: Curve, stride: int) -> int | None:
    """The first resolution from which a is below b to the end; None when it always is, or is not at the
    end."""
    sides = range(LISTED[0], LISTED[-1] + 1, stride)
    less = [a.value(side) < b.value(side) for side in sides]
    if all(less) or not less[-1]:
        return None
    return sides[len(less) - less[::-1].index(False)]


def test_convolution_undercuts_softmax_where_the_formulas_say() -> None:
    # 4NC^2 + 2N^2 C against 4NC^2 + 2 k^2 NC: equal at N = k^2 = 961 = (124 / 4)^2
    layouts = {
        "conv": Layout("conv(expand=2, kernel=31)", **ONE_STAGE),
        "softmax": Layout("softmax", **ONE_STAGE),
    }
    (row,) = crossovers(curves(layouts, [64, 256], quantities=["macs"]))
    assert (row.a, row.b, row.resolution, row.less, row.method) == (
        "conv",
        "softmax",
        128,
        True,
        "polynomial",
    )
    assert row.value == layout_cost(layouts["conv"], 128).macs
    assert layout_cost(layouts["conv"], 124).macs == layout_cost(layouts["softmax"], 124).macs


def test_exponents_are_those_of_the_counts() -> None:
    layouts = {name: Layout(name, **ONE_STAGE) for name in ("softmax", "conv", "window(size=5)")}
    by_layout = {c.layout: c for c in curves(layouts, [64, 128, 256, 2048], quantities=["macs"])}
    softmax = dict(by_layout["softmax"].exponents())
    before, after = (layout_cost(layouts["softmax"], side).macs for side in (128, 256))
    assert softmax[128] == pytest.approx(math.log(after / before) / math.log(4), abs=1e-12)
    assert set(softmax) == {64, 128, 256}  # 256 to 512 px is counted, though 512 is not listed
    assert softmax[64] < softmax[128] < softmax[256] < 2
    assert dict(by_layout["conv"].exponents())[256] == pytest.approx(1, abs=1e-3)


@given(
    roots=st.lists(st.integers(-100, 600), max_size=4),
    scale=st.sampled_from([-3, -1, 1, 2]),
    offset=st.integers(-1000, 1000),
)
@settings(deadline=None, max_examples=30)
def test_polynomials_are_looked_at_everywhere(roots: list[int], scale: int, offset: int) -> None:
    def gap(side: int) -> int:
        return scale * math.prod(side - root for root in roots) + offset

    a, b = curve("a", lambda side: 10**12 + gap(side)), curve("b", lambda side: 10**12)
    row = crossover(a, b)
    assert row.method == "polynomial"
    assert row.resolution == scan(a, b, 4)
    assert row.less == (gap(512) < 0)


@given(turn=st.integers(50, 600))
@settings(deadline=None, max_examples=30)
def test_other_curves_are_bisected(turn: int) -> None:
    a = curve("a", lambda side: side**2 + 1000 * (side < turn))
    b = curve("b", lambda side: side**2 + 10)
    row = crossover(a, b)
    assert row.resolution == scan(a, b, 4)
    assert crossover(b, a).resolution is None


def test_several_crossings_are_told() -> None:
    a, b = curve("a", lambda side: (side - 100) * (side - 200) * (300 - side)), curve("b", lambda _: 0)
    row = crossover(a, b)
    assert row.resolution == 304
    assert row.note == "3 crossings; less at 104 to 196, 304 to 512 px"
    back = crossover(b, a)
    assert back.resolution is None
    assert back.note.startswith("not less at 512 px; less at 64 to 96, 204 to 296")


def test_always_never_and_equal() -> None:
    low, high = curve("low", lambda side: side), curve("high", lambda side: 2 * side)
    assert crossover(low, high).note == "less at every resolution, 64 to 512 px"
    assert crossover(high, low).note == "nowhere less, 64 to 512 px"
    assert crossover(low, curve("same", lambda side: side)).note.startswith("equal at every")
    assert [(row.a, row.less) for row in crossovers([high, low])] == [("low", True)]


def test_strides_of_both_layouts_are_kept() -> None:
    a, b = curve("a", lambda side: 110, stride=16), curve("b", lambda side: side, stride=12)
    assert crossover(a, b).resolution == 144  # the first multiple of 48 above 110


def test_points_without_a_count_between_them() -> None:
    a = Curve("a", "macs", LISTED, tuple(1000 for _ in LISTED))
    b = Curve("b", "macs", LISTED, tuple(side * 5 for side in LISTED))
    assert (crossover(a, b).resolution, crossover(a, b).method) == (224, "listed")


def test_memory_and_time_agree_with_a_scan() -> None:
    layouts = {name: Layout(name, **ONE_STAGE) for name in ("softmax", "key_only")}
    series = curves(
        layouts, [16, 44], quantities=["training_fused", "inference_math", "roofline_ms"], peak=PEAK
    )
    for left, right in zip(series[:3], series[3:], strict=True):
        row = max(crossover(left, right), crossover(right, left), key=lambda r: r.less)
        a, b = layouts[row.a], layouts[row.b]
        less = []
        for side in range(16, 45, 4):
            costs = [layout_cost(layout, side) for layout in (a, b)]
            values = {
                "training_fused": [cost.memory["fused"]["training_peak"] for cost in costs],
                "inference_math": [cost.memory["math"]["inference_peak"] for cost in costs],
                "roofline_ms": [roofline_seconds(cost, PEAK) for cost in costs],
            }[row.quantity]
            less.append(values[0] < values[1])
        assert less[-1] == row.less
        expected = (
            None if all(less) or not less[-1] else range(16, 45, 4)[len(less) - less[::-1].index(False)]
        )
        assert row.resolution == expected


def test_a_model_that_refuses_a_resolution() -> None:
    layouts = {"xcit": Layout("timm:xcit_nano_12_p16_224"), "conv": Layout("conv", **ONE_STAGE)}
    series = curves(layouts, [100, 224], quantities=["macs"])
    assert series[0].values[0] is None
    assert crossovers(series)[0].note == "cannot be counted at 100 px"
    (row,) = crossovers(curves(layouts, [224], quantities=["macs"]))
    assert (row.a, row.method) == ("conv", "listed")


def test_records_are_plain_data() -> None:
    series = curves({"a": Layout("pool", **ONE_STAGE), "b": Layout("conv", **ONE_STAGE)}, [4, 8], peak=PEAK)
    assert len(series) == 12
    records = json.loads(json.dumps([item.to_json() for item in series]))
    assert records[0]["exponents"][0]["from"] == 4
    json.dumps([row.to_json() for row in crossovers(series)])


def test_total_stride() -> None:
    assert Layout("conv", **TWO_STAGES).total_stride == 8
    assert Layout("conv", **TWO_STAGES, stem="patchify(stride=2)").total_stride == 4
    with pytest.raises(ValueError, match="compare"):
        crossover(curve("a", float), Curve("b", "training_math", LISTED, (1,) * 7))
