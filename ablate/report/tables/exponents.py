"""The local exponent in N of each quantity and layout over every octave of the resolutions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ablate.measurements.register import quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.report.crossings import FOLLOWED, LATENCY, TIMING
from ablate.report.numbers import fixed, with_error
from ablate.report.register import table
from ablate.report.results import Results, describe
from ablate.report.rooflines import grown
from ablate.report.table import Cell, Column, Table, number
from ablate.statistics.crossing import local_exponents

Octave = tuple[int, int]


@dataclass(frozen=True)
class _Growth:
    """The exponents of one layout in one quantity, with half the interval where there is one."""

    quantity: str
    condition: str
    layout: str
    exponents: dict[Octave, tuple[float, float | None]]


@table("exponents", order=30)
def exponent_table(results: Results) -> Table | None:
    """How every quantity grows, octave by octave; None without scaling cells."""
    if not results.done("scaling"):
        return None
    growths = sorted(
        [*_counted(results), *_measured(results)],
        key=lambda growth: (FOLLOWED.index(growth.quantity), growth.condition),
    )
    octaves = sorted({octave for growth in growths for octave in growth.exponents})
    rows, raw = [], []
    for growth in growths:
        label = quantity(growth.quantity).label + (f" ({growth.condition})" if growth.condition else "")
        cells = [_exponent(growth.exponents.get(octave)) for octave in octaves]
        rows.append((Cell(growth.layout, sort=growth.layout), Cell(label, sort=label), *cells))
        for (start, end), (value, error) in growth.exponents.items():
            place = {"layout": growth.layout, "quantity": growth.quantity, "condition": growth.condition}
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
        if any(growth.quantity == LATENCY for growth in growths)
        else (),
    )


def _counted(results: Results) -> Iterator[_Growth]:
    for layout, _, values in grown(results):
        for name, curve in values.curves.items():
            exponents: dict[Octave, tuple[float, float | None]] = {
                (octave.start, octave.end): (octave.exponent, None) for octave in curve.exponents
            }
            yield _Growth(name, "", layout, exponents)


def _measured(results: Results) -> Iterator[_Growth]:
    """Exponents of measured latency where two measured resolutions are an octave apart."""
    varying = results.varying("throughput")
    for condition in results.conditions("throughput", TIMING):
        differing = describe({name: value for name, value in condition.items() if name in varying})
        for layout in results.layouts:
            by_side = {
                int(record.at("resolution")): record.values
                for record in results.done("throughput", layout=layout, **condition)
                if isinstance(record.values, ThroughputValues)
            }
            octaves = {
                (side, 2 * side): _octave(side, by_side[side], by_side[2 * side])
                for side in by_side
                if 2 * side in by_side
            }
            if octaves:
                yield _Growth(LATENCY, differing, layout, octaves)


def _octave(side: int, small: ThroughputValues, large: ThroughputValues) -> tuple[float, float | None]:
    """The exponent and half its interval, the halves of both ends' intervals added in squares."""
    sides = (float(side), float(2 * side))
    (exponent,) = local_exponents(sides, (small.latency_ms, large.latency_ms))
    widths = [
        math.log(values.high_ms / values.low_ms) / 2
        for values in (small, large)
        if values.low_ms is not None and values.high_ms is not None
    ]
    return exponent, math.hypot(*widths) / math.log(4) if len(widths) == 2 else None


def _exponent(known: tuple[float, float | None] | None) -> Cell:
    if known is None:
        return Cell("–")
    value, error = known
    return number(value, fixed(value, 3) if error is None else with_error(value, error))
