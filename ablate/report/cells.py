"""Cells of tables: a quantity of a record, a latency, a ratio, each with its error or its reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablate.measurements.register import quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.quantities import Quantity
from ablate.report.comparisons import comparison_cell
from ablate.report.numbers import significant, with_error
from ablate.report.table import Cell, failed, number
from ablate.run.rows import AnyRecord
from ablate.statistics.compare import Comparison


def first(records: Sequence[AnyRecord]) -> AnyRecord | None:
    """The first record; None when there is none."""
    return records[0] if records else None


def stored(record: AnyRecord | None, wanted: Quantity) -> float:
    """A stored number; NaN when there is no record, or when it is not done."""
    return math.nan if record is None or record.values is None else wanted.value(record.values)


def why_not(record: AnyRecord | None) -> Cell:
    """The cell of a number that does not exist."""
    return Cell("–") if record is None else failed([record.status], [record.reason])


def measured(record: AnyRecord | None, wanted: Quantity) -> Cell:
    """The cell of one number in its displayed unit, or why it does not exist."""
    value = stored(record, wanted)
    if math.isnan(value):
        return why_not(record)
    return number(value, significant(value / wanted.scale, wanted.digits))


def with_interval(record: AnyRecord | None, name: str) -> Cell:
    """A quantity that has an interval of its own, with the wider side of it."""
    wanted = quantity(name)
    value = stored(record, wanted)
    if record is None or math.isnan(value):
        return why_not(record)
    low, high = wanted.interval(record.values)
    half = half_width(value, low, high)
    text = with_error(value / wanted.scale, half / wanted.scale)
    if half >= value > 0:  # nothing but the order of magnitude is known
        return number(value, f"{text} not resolved", tone="tie", hint="the error is as large as the value")
    return number(value, text)


def ratio_cell(record: AnyRecord | None, name: str, comparison: Comparison | None) -> Cell:
    """Latency over the baseline's with its word; `comparison` as `ratios_to_baseline` gives it."""
    if record is None or not isinstance(record.values, ThroughputValues) or record.values.ratio is None:
        return why_not(record)
    if record.values.ratio_to == name:
        return Cell("1", sort=1.0)
    return why_not(record) if comparison is None else comparison_cell(comparison)


def half_width(value: float, low: float, high: float) -> float:
    """The wider side of an interval around a value."""
    return max(high - value, value - low)
