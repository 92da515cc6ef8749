"""Latency ratios by the names that layouts have now: a reused row has the baseline's name of its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ablate.measurements.throughput import ThroughputValues
from ablate.run.rows import AnyRecord


def with_present_names(records: Sequence[AnyRecord], baseline: str | None) -> list[AnyRecord]:
    """The records with `ratio_to` as the layout is called now, where it is among them.

    What ratios were taken to is the row whose own ratio is 1 without an error: what that row calls it is the
    name it had. Of two equal layouts, which share a row, it is the baseline.
    """
    timed = [
        (record, values, (str(record.condition), values.ratio_to))
        for record in records
        if isinstance(values := record.values, ThroughputValues)
    ]
    now: dict[tuple[str, str], str] = {}
    for record, values, place in timed:
        is_reference = values.ratio == values.ratio_low == values.ratio_high == 1
        if is_reference and (place not in now or record.layout == baseline):
            now[place] = record.layout
    renamed = {
        id(record): replace(record, values=replace(values, ratio_to=now[place]))
        for record, values, place in timed
        if now.get(place, values.ratio_to) != values.ratio_to
    }
    return [renamed.get(id(record), record) for record in records]
