"""What bringing the layouts to one budget changed, and what it left unequal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablate.measurements.register import quantity
from ablate.quantities import Quantity
from ablate.report.numbers import scaled, signed, significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.run.facts import Change, Leftover, MatchFact, MatchRecord

_AXES = ("params", "macs", "memory")
_NOTE = "Memory: the weights and the peak of one inference of one image, attention fused."


@table("budget", order=10)
def budget_table(results: Results) -> Table | None:
    """One row per layout that the study matched; None without any."""
    fact = results.knows(MatchFact)
    if fact is None or not fact.rows:
        return None
    first = fact.rows[0]
    matched = quantity(first.axis)
    others = [quantity(name) for name in _AXES if name != first.axis]
    targets = dict.fromkeys(_target(match) for match in fact.rows)
    rows = []
    for match in fact.rows:
        value = math.nan if match.value is None else match.value
        error = math.nan if match.error is None else 100 * match.error
        change = _changes(match.changes)
        rows.append(
            (
                Cell(match.layout, sort=match.layout),
                Cell(change, sort=change),
                number(value, significant(value / matched.scale, 4)),
                number(error, signed(error)),
                *(cell for axis in others for cell in _leftover(match.axes.get(axis.name), axis)),
                Cell(match.note, sort=match.note),
            )
        )
    columns = (
        Column("Layout", left=True),
        Column("what was changed", left=True),
        Column(matched.title),
        Column("error (%)"),
        *(Column(head, axis.title) for axis in others for head in ("matched", "was", "change (%)")),
        Column("note", left=True),
    )
    return Table(
        "budget",
        "Equal budgets",
        f"The layouts brought to {' or '.join(targets)} by their {first.by}, and what this leaves on other "
        "axes.",
        columns,
        tuple(rows),
        pd.DataFrame([_raw(match) for match in fact.rows]),
        (_NOTE,),
    )


def _target(match: MatchRecord) -> str:
    axis = quantity(match.axis)
    if axis.name == "memory":
        return f"{significant(match.target / axis.scale, 4)} MiB of memory"
    return f"{scaled(match.target, '', 4)} {'parameters' if axis.name == 'params' else 'MACs'}"


def _changes(changes: Mapping[str, Change]) -> str:
    parts = [f"{name} {_listed(change.before)} → {_listed(change.after)}" for name, change in changes.items()]
    return "; ".join(parts) or "nothing"


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _leftover(left: Leftover | None, axis: Quantity) -> list[Cell]:
    if left is None:
        return [Cell("–")] * 3
    change = 100 * left.relative
    sizes = (left.after, left.before)
    return [
        *(number(size, significant(size / axis.scale, 4)) for size in sizes),
        number(change, signed(change)),
    ]


def _raw(match: MatchRecord) -> dict[str, Any]:
    record: dict[str, Any] = {"layout": match.layout, "axis": match.axis, "target": match.target}
    record |= {"value": match.value, "by": match.by}
    record["error_percent"] = None if match.error is None else 100 * match.error
    for name in _AXES:
        left = match.axes.get(name)
        record[f"{quantity(name).column}_before"] = left.before if left else None
        record[f"{quantity(name).column}_after"] = left.after if left else None
    return record | {"changes": _changes(match.changes), "note": match.note}
