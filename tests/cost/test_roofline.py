"""The roofline by hand, and a machine that is measured."""

from __future__ import annotations

import pytest

from ablate import Layout
from ablate.cost import MachinePeak, arithmetic_intensity, layout_cost, machine_peak, roofline_seconds


def test_each_part_is_bound_by_arithmetic_or_by_memory() -> None:
    cost = layout_cost(Layout("softmax", widths=(16,), depths=(1,)), 64)
    fast_memory = MachinePeak(1e9, 1e30, "cpu", 1)
    fast_arithmetic = MachinePeak(1e30, 1e9, "cpu", 1)
    assert roofline_seconds(cost, fast_memory) == pytest.approx(cost.macs / 1e9)
    assert roofline_seconds(cost, fast_arithmetic) == pytest.approx(cost.bytes / 1e9)
    real = MachinePeak(1e9, 1e9, "cpu", 1)
    assert roofline_seconds(cost, real) >= max(cost.macs, cost.bytes) / 1e9
    assert real.balance == 1
    assert arithmetic_intensity(cost) == cost.macs / cost.bytes


def test_this_machine_is_measured_once() -> None:
    peak = machine_peak()
    assert peak is machine_peak()
    assert peak.macs_per_second > 1e8
    assert peak.bytes_per_second > 1e8
