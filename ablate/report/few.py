"""Reports of many layouts stay readable: figures of some of them, the first rows of long tables."""

from __future__ import annotations

import math
from dataclasses import replace

from ablate.measurements.register import measurement
from ablate.quantities import Quantity
from ablate.report.numbers import plural
from ablate.report.results import Results
from ablate.report.table import Table

MOST_DRAWN = 24
"""Layouts that a figure can tell apart."""
MOST_ROWS = 200
"""Rows of a table on the page; the files have all."""


def few_layouts(results: Results) -> tuple[Results, str]:
    """Results that a figure can show, and what to say of it: all, or the baseline, the best and the worst.

    They are ordered by the mean of the first quantity that has a direction, of the last measurement that is
    done.
    """
    if len(results.layouts) <= MOST_DRAWN:
        return results, ""
    known = [name for name, _ in sorted(_scores(results).items(), key=lambda item: item[1])]
    ordered = known or list(results.layouts)
    half = (MOST_DRAWN - 1) // 2
    chosen = dict.fromkeys([*ordered[:half], *ordered[-half:]])
    if results.baseline is not None:
        chosen[results.baseline] = None
    by = "in the order of the study"
    if known:
        by = f"by {_quantity(results).label.lower()}"
    note = (
        f"The figures show {len(chosen)} of {plural(len(results.layouts), 'layout')}: the baseline, first "
        f"and the last {by}."
    )
    return results.of_layouts(chosen), note


def short(table: Table) -> Table:
    """The table with as many rows as a page can show; a note says where the others are."""
    left = len(table.rows) - MOST_ROWS
    if left <= 0:
        return table
    note = f"The first {MOST_ROWS} of {len(table.rows):,} rows; all of them are in tables/{table.name}.csv."
    return replace(table, rows=table.rows[:MOST_ROWS], notes=(note, *table.notes))


def _quantity(results: Results) -> Quantity:
    kinds = [kind for kind in results.kinds if results.done(kind)]
    return next(q for kind in reversed(kinds) for q in measurement(kind).quantities if q.better != "neither")


def _scores(results: Results) -> dict[str, float]:
    """The best first, by layout; empty where nothing is done."""
    if not any(record.state == "done" for record in results.records):
        return {}
    wanted = _quantity(results)
    sign = -1.0 if wanted.better == "higher" else 1.0
    sums: dict[str, list[float]] = {}
    for record in results.done(wanted.kind):
        sums.setdefault(record.layout, []).append(sign * wanted.value(record.values))
    means = {name: sum(values) / len(values) for name, values in sums.items()}
    return {name: mean for name, mean in means.items() if math.isfinite(mean)}
