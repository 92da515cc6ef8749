"""Cells of tables: a quantity of a record, a ratio, an accuracy, each with its error or its reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablate.measurements.register import quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.quantities import Quantity
from ablate.report.numbers import significant, with_error
from ablate.report.table import Cell, failed, number
from ablate.run.ledger import AnyRecord


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
    text = with_error(value / wanted.scale, half_width(value, low, high) / wanted.scale)
    return number(value, text)


def ratio_cell(record: AnyRecord | None, name: str) -> Cell:
    """Latency over the baseline's; `tie` when the difference is inside the error."""
    if record is None or not isinstance(record.values, ThroughputValues):
        return why_not(record)
    values = record.values
    if values.ratio is None:
        return why_not(record)
    if values.ratio_to == name:
        return Cell("1", sort=1.0)
    low = math.nan if values.ratio_low is None else values.ratio_low
    high = math.nan if values.ratio_high is None else values.ratio_high
    text = with_error(values.ratio, half_width(values.ratio, low, high))
    if values.tie if values.tie is not None else low <= 1 <= high:
        return Cell("tie", sort=values.ratio, tone="tie", hint=f"{text}: the interval holds 1")
    return number(values.ratio, text)


def half_width(value: float, low: float, high: float) -> float:
    """The wider side of an interval around a value."""
    return max(high - value, value - low)
