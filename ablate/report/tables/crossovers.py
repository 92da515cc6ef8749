"""From which resolution each layout needs less than the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.crossings import LATENCY, Crossing, crossings
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.rooflines import roofline_note
from ablate.report.table import Cell, Column, Table, Tone, failed

_WORDS: Mapping[str, str] = {"cheaper": "always", "dearer": "never", "cheaper from": "from"}


@table("crossovers", order=40)
def crossover_table(results: Results) -> Table | None:
    """Every layout against the baseline, a column for each quantity; None without scaling cells."""
    known = crossings(results)
    if not known:
        return None
    baseline = known[0].baseline
    kinds = list(dict.fromkeys((crossing.quantity, crossing.condition) for crossing in known))
    by_place = {(crossing.layout, crossing.quantity, crossing.condition): crossing for crossing in known}
    rows = []
    for record in results.planned("scaling"):
        if record.layout == baseline:
            continue
        none = failed([record.status], [record.reason])
        cells = [_crossing(by_place.get((record.layout, *kind)), none) for kind in kinds]
        rows.append((Cell(record.layout, sort=record.layout), *cells))
    notes = [
        "Counted crossovers are multiples of the layouts' strides: every multiple was looked at where the "
        "difference is a polynomial in the resolution; else changes of sign between the listed resolutions "
        "were narrowed down, and two crossings between neighbours are not seen.",
        _latency_note(known),
        roofline_note(results),
    ]
    return Table(
        "crossovers",
        f"Crossovers with {baseline}",
        f"Where each layout needs less than {baseline}: the first resolution (px) from which it does (from) "
        "or needs more (dearer from), up to the largest one; always, never: at every one in the range.",
        (Column("Layout", left=True), *(_column(name, condition) for name, condition in kinds)),
        tuple(rows),
        pd.DataFrame([_raw(crossing) for crossing in known]),
        tuple(note for note in notes if note),
    )


def _crossing(crossing: Crossing | None, none: Cell) -> Cell:
    """`from 768`, `from 160 [145, 176]`, `dearer from 288`, `always`, `never`, `equal`, `not resolved`."""
    if crossing is None:
        return none
    text = _WORDS.get(crossing.verdict, crossing.verdict)
    if crossing.verdict.endswith("from"):
        text += _at(crossing)
    tone: Tone = "tie" if crossing.verdict in ("equal", "not resolved", "not known") else ""
    always = crossing.verdict in _WORDS and not crossing.verdict.endswith("from")
    hint = (
        ""
        if always or crossing.verdict == "equal"
        else "; ".join(filter(None, (crossing.method, crossing.note)))
    )
    return Cell(
        text, sort=crossing.resolution if crossing.resolution is not None else text, tone=tone, hint=hint
    )


def _at(crossing: Crossing) -> str:
    if crossing.resolution is None:
        return f" ≤ {crossing.high:.0f}"
    if crossing.high is None:
        return f" {crossing.resolution:.0f}"
    low = "–" if crossing.low is None else f"{crossing.low:.0f}"
    return f" {crossing.resolution:.0f} [{low}, {crossing.high:.0f}]"


def _column(name: str, condition: str) -> Column:
    if name.endswith(("_fused", "_math")):
        return Column(name.replace("_", ", "), "Peak memory")
    return Column(quantity(name).label + (f", {condition}" if condition else ""))


def _latency_note(known: Sequence[Crossing]) -> str | None:
    if not any(crossing.quantity == LATENCY for crossing in known):
        return None
    return (
        "Crossovers of latency come from the ratios to the baseline within rounds, interpolated as powers of "
        "the resolution, with the interval [in brackets] that their 95 % intervals allow; not resolved: "
        "these do not tell which one is faster at the largest resolution."
    )


def _raw(crossing: Crossing) -> dict[str, Any]:
    return {
        "layout": crossing.layout,
        "baseline": crossing.baseline,
        "quantity": crossing.quantity,
        "condition": crossing.condition,
        "verdict": crossing.verdict,
        "resolution_px": crossing.resolution,
        "low_px": crossing.low,
        "high_px": crossing.high,
        "value": crossing.value,
        "unit": quantity(crossing.quantity).stored,
        "method": crossing.method,
        "note": crossing.note,
    }
