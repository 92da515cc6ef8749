"""Latency and throughput under every condition."""

from __future__ import annotations

import pandas as pd

from ablate.measurements.register import quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.report.cells import measured, ratio_cell, stored, with_interval
from ablate.report.comparisons import ratios_to_baseline
from ablate.report.notes import throughput_notes
from ablate.report.numbers import significant
from ablate.report.register import table
from ablate.report.results import Results, describe, kind_quantities
from ablate.report.rooflines import Rooflines, roofline_note
from ablate.report.table import Cell, Column, Table, number, pixels

_ENTRIES = ("mode", "batch", "precision", "threads", "compile", "device")


@table("throughput", order=80)
def throughput_table(results: Results) -> Table | None:
    """Every timed cell; the entries of the conditions that all share stand in the caption."""
    planned = results.planned("throughput")
    if not planned:
        return None
    differing = [name for name in _ENTRIES if name in results.varying("throughput")]
    shared = {name: planned[0].at(name) for name in _ENTRIES if name not in differing}
    rooflines = Rooflines(results)
    ratios = {
        condition: ratios_to_baseline(
            results, {record.layout: record for record in planned if record.condition == condition}
        )
        for condition in dict.fromkeys(record.condition for record in planned)
    }
    rows, raw = [], []
    for record in planned:
        name = record.layout
        text = describe({key: record.at(key) for key in differing})
        condition = [Cell(text, sort=text)] if differing else []
        cells = [with_interval(record, "latency"), measured(record, quantity("throughput"))]
        cells.append(ratio_cell(record, name, ratios[record.condition].get(name)))
        least = rooflines.of(record)
        cells += _roofline(stored(record, quantity("latency")), least) if rooflines else ()
        rows.append((Cell(name, sort=name), pixels(record.at("resolution")), *condition, *cells))
        values = record.values if isinstance(record.values, ThroughputValues) else None
        raw.append(
            {"layout": name, "resolution_px": record.at("resolution")}
            | {key: record.at(key) for key in _ENTRIES}
            | {"status": record.status}
            | {wanted.column: stored(record, wanted) for wanted in kind_quantities("throughput")}
            | ({"roofline_ms": least} if rooflines else {})
            | {
                "busy_machine": values.busy if values else None,
                "latency_ratio_verdict": comparison.verdict
                if (comparison := ratios[record.condition].get(name)) is not None
                else "",
                "latency_ratio_to": values.ratio_to if values else None,
                "latency_of_processes_ms": " ".join(map(repr, values.process_ms)) if values else "",
            }
        )
    return Table(
        "throughput",
        "Latency and throughput",
        "Median over calls and fresh processes; ± is half the 95 % interval between processes. "
        f"All rows: {describe(shared)}.",
        (
            Column("Layout", left=True),
            Column("px"),
            *([Column("condition", left=True)] if differing else []),
            Column("ms per batch"),
            Column("images/s"),
            Column("÷\u00a0baseline"),
            *((Column("roofline ms"), Column("÷\u00a0roofline")) if rooflines else ()),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        (*throughput_notes(results), *filter(None, [roofline_note(results)])),
    )


def _roofline(latency: float, least: float) -> tuple[Cell, Cell]:
    """The roofline time of a timed row and how many times longer it really took."""
    return number(least, significant(least, 3)), number(latency / least, significant(latency / least, 2))
