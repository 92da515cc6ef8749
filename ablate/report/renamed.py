"""Latency ratios by the names that layouts have now: a reused row has the baseline's name of its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ablate.measurements.throughput import ThroughputValues
from ablate.run.ledger import AnyRecord


def with_present_names(records: Sequence[AnyRecord], baseline: str | None) -> list[AnyRecord]:
    """The records with `ratio_to` as the layout is called now, where it is among them.

    What ratios were taken to is the row whose own ratio is 1 without an error: what that row calls it is the
    name it had. Of two equal layouts, which share a row, it is the baseline.
    """
    now: dict[tuple[str, str], str] = {}
    for record in records:
        values = record.values
        if (
            isinstance(values, ThroughputValues)
            and values.ratio == values.ratio_low == values.ratio_high == 1
        ):
            place = (str(record.condition), values.ratio_to)
            if place not in now or record.layout == baseline:
                now[place] = record.layout
    return [
        replace(record, values=replace(values, ratio_to=now[place]))
        if isinstance(values := record.values, ThroughputValues)
        and (place := (str(record.condition), values.ratio_to)) in now
        and now[place] != values.ratio_to
        else record
        for record in records
    ]
