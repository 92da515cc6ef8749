"""Every training run of the study, one row per seed."""

from __future__ import annotations

import pandas as pd

from ablate.report.cells import measured, stored
from ablate.report.register import table
from ablate.report.results import Results, kind_quantities
from ablate.report.table import Cell, Column, Table

_CONDITION = (
    "dataset",
    "epochs",
    "images",
    "core_seconds",
    "recipe",
    "batch",
    "resolution",
    "precision",
    "subset",
)


@table("seeds", order=90)
def seed_table(results: Results) -> Table | None:
    """The runs behind the means."""
    planned = results.planned("accuracy")
    if not planned:
        return None
    shown = kind_quantities("accuracy")
    rows, raw = [], []
    for record in planned:
        cells = [measured(record, wanted) for wanted in shown]
        cells = [cells[0], *(cell if cell.tone != "failed" else Cell("–") for cell in cells[1:])]
        seed = int(record.at("seed"))
        rows.append((Cell(record.layout, sort=record.layout), Cell(str(seed), sort=float(seed)), *cells))
        condition = {name: record.at(name) for name in _CONDITION if record.at(name) is not None}
        raw.append(
            {"layout": record.layout, "seed": seed, **condition, "status": record.status}
            | {wanted.column: stored(record, wanted) for wanted in shown}
        )
    return Table(
        "seeds",
        "Accuracy, every run",
        "The runs behind the means; the same seed gives every layout the same order of images.",
        (Column("Layout", left=True), Column("seed"), *(Column(wanted.title) for wanted in shown)),
        tuple(rows),
        pd.DataFrame(raw),
    )
