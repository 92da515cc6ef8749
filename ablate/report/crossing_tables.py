"""Tables of growth with the resolution: local exponents, and crossovers with the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.report.crossings import TIMING, Crossing, crossings
from ablate.report.numbers import fixed, with_error
from ablate.report.quantities import LATENCY, QUANTITIES
from ablate.report.results import Results, describe, select
from ablate.report.rooflines import roofline_note
from ablate.report.table import Cell, Column, Table, Tone, failed, number
from ablate.statistics.crossing import local_exponents

Octave = tuple[int, int]
_Row = tuple[
    str, str, str, dict[Octave, tuple[float, float | None]]
]  # quantity, condition, layout, exponents


def exponent_table(results: Results) -> Table | None:
    """The local exponent in N of each quantity and layout over every octave of the resolutions."""
    found = [*_counted(results), *_measured(results)]
    if results.done("scaling").empty:
        return None
    octaves = sorted({octave for *_, exponents in found for octave in exponents})
    order = list(QUANTITIES)
    rows, raw = [], []
    for quantity, condition, layout, exponents in sorted(
        found, key=lambda row: (order.index(row[0]), row[1])
    ):
        label = QUANTITIES[quantity].label + (f" ({condition})" if condition else "")
        cells = [_exponent(exponents.get(octave)) for octave in octaves]
        rows.append((Cell(layout, sort=layout), Cell(label, sort=label), *cells))
        for (start, end), (value, error) in exponents.items():
            place = {"layout": layout, "quantity": quantity, "condition": condition}
            ends = {"from_px": start, "to_px": end}
            raw.append(place | ends | {"exponent": value, "half_width": error})
    return Table(
        "exponents",
        "Local exponents",
        "How a quantity grows with N, the number of pixels, over one octave of the resolution r to 2r: "
        "log(v(2r) / v(r)) / log 4. 1 is linear, 2 is quadratic.",
        (
            Column("Layout", left=True),
            Column("quantity", left=True),
            *(Column(f"{start}→{end}", "octave of the resolution (px)") for start, end in octaves),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        ("± of a measured exponent: from the 95 % intervals of both latencies.",)
        if any(row[0] == LATENCY for row in found)
        else (),
    )


def crossover_table(results: Results) -> Table | None:
    """Every layout against the baseline, a column for each quantity; None without scaling cells."""
    found = crossings(results)
    if not found:
        return None
    baseline = found[0].baseline
    kinds = list(dict.fromkeys((one.quantity, one.condition) for one in found))
    by_place = {(one.layout, one.quantity, one.condition): one for one in found}
    rows = []
    for record in results.planned("scaling").to_dict("records"):
        layout, status = str(record["layout"]), str(record["status"])
        if layout == baseline:
            continue
        none = failed([status], [str(record["reason"])])
        cells = [_crossing(by_place.get((layout, *kind)), none) for kind in kinds]
        rows.append((Cell(layout, sort=layout), *cells))
    notes = [
        "Counted crossovers are multiples of the layouts' strides: every multiple was looked at where the "
        "difference is a polynomial in the resolution; else changes of sign between the listed resolutions "
        "were narrowed down, and two crossings between neighbours are not seen.",
        _latency_note(found),
        roofline_note(results),
    ]
    return Table(
        "crossovers",
        f"Crossovers with {baseline}",
        f"Where each layout needs less than {baseline}: the first resolution (px) from which it does (from) "
        "or needs more (dearer from), up to the largest one; always, never: at every one in the range.",
        (Column("Layout", left=True), *(_column(quantity, condition) for quantity, condition in kinds)),
        tuple(rows),
        pd.DataFrame([_raw(one) for one in found]),
        tuple(note for note in notes if note),
    )


_WORDS: Mapping[str, str] = {"cheaper": "always", "dearer": "never", "cheaper from": "from"}


def _crossing(one: Crossing | None, none: Cell) -> Cell:
    """`from 768`, `from 160 [145, 176]`, `dearer from 288`, `always`, `never`, `equal`, `not resolved`."""
    if one is None:
        return none
    text = _WORDS.get(one.verdict, one.verdict)
    if one.verdict.endswith("from"):
        text += _at(one)
    tone: Tone = "tie" if one.verdict in ("equal", "not resolved", "not known") else ""
    plain = (one.verdict in _WORDS and not one.verdict.endswith("from")) or one.verdict == "equal"
    hint = "" if plain else "; ".join(filter(None, (one.method, one.note)))
    return Cell(text, sort=text, tone=tone, hint=hint)


def _at(one: Crossing) -> str:
    if one.resolution is None:
        return f" ≤ {one.high:.0f}"
    if one.high is None:
        return f" {one.resolution:.0f}"
    low = "–" if one.low is None else f"{one.low:.0f}"
    return f" {one.resolution:.0f} [{low}, {one.high:.0f}]"


def _column(quantity: str, condition: str) -> Column:
    if quantity.endswith(("_fused", "_math")):
        return Column(quantity.replace("_", ", "), "Peak memory")
    return Column(QUANTITIES[quantity].label + (f", {condition}" if condition else ""))


def _counted(results: Results) -> Iterator[_Row]:
    for record in results.done("scaling").to_dict("records"):
        for quantity, curve in record["values"]["curves"].items():
            exponents: dict[Octave, tuple[float, float | None]] = {
                (e["from"], e["to"]): (float(e["exponent"]), None) for e in curve["exponents"]
            }
            yield quantity, "", str(record["layout"]), exponents


def _measured(results: Results) -> Iterator[_Row]:
    """Exponents of measured latency where two measured resolutions are an octave apart."""
    rows = results.done("throughput")
    for condition in results.conditions("throughput", TIMING) if len(rows) else ():
        telling = {k: v for k, v in condition.items() if k in results.varying("throughput")}
        for layout in results.layouts:
            mine = select(rows, layout=layout, **condition).to_dict("records")
            by_side = {int(row["resolution"]): row for row in mine}
            octaves = {(r, 2 * r): _octave(by_side[r], by_side[2 * r]) for r in by_side if 2 * r in by_side}
            if octaves:
                yield LATENCY, describe(telling), layout, octaves


def _octave(small: Mapping[Any, Any], large: Mapping[Any, Any]) -> tuple[float, float | None]:
    """The exponent and half its interval, the halves of both ends' intervals added in squares."""
    sides = (float(small["resolution"]), float(large["resolution"]))
    (exponent,) = local_exponents(sides, (small["latency_ms"], large["latency_ms"]))
    widths = [math.log(row["latency_high_ms"] / row["latency_low_ms"]) / 2 for row in (small, large)]
    error = math.hypot(*widths) / math.log(4)
    return exponent, None if math.isnan(error) else error


def _exponent(found: tuple[float, float | None] | None) -> Cell:
    if found is None:
        return Cell("–")
    value, error = found
    return number(value, fixed(value, 3) if error is None else with_error(value, error))


def _latency_note(found: Sequence[Crossing]) -> str | None:
    if not any(one.quantity == LATENCY for one in found):
        return None
    return (
        "Crossovers of latency come from the ratios to the baseline within rounds, interpolated as powers of "
        "the resolution, with the interval [in brackets] that their 95 % intervals allow; not resolved: "
        "these do not tell which one is faster at the largest resolution."
    )


def _raw(one: Crossing) -> dict[str, Any]:
    return {
        "layout": one.layout,
        "baseline": one.baseline,
        "quantity": one.quantity,
        "condition": one.condition,
        "verdict": one.verdict,
        "resolution_px": one.resolution,
        "low_px": one.low,
        "high_px": one.high,
        "value": one.value,
        "unit": QUANTITIES[one.quantity].stored,
        "method": one.method,
        "note": one.note,
    }
