"""ImageNet top-1 of every layout, with the recipe behind it and the size beside it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ablate.measurements.imagenet import ImageNetValues
from ablate.measurements.register import quantity
from ablate.report.cells import first, measured, stored
from ablate.report.register import table
from ablate.report.repeats import Repeats, repeats_of
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table

_SIZES = ("params", "macs")


@table("imagenet", order=20)
def imagenet_table(results: Results) -> Table | None:
    """One row a layout, in the order of the study; None where it trains nothing on ImageNet."""
    repeats = repeats_of(results, "imagenet")
    if not repeats:
        return None
    top1, ema, hours = (quantity(n) for n in ("imagenet_top1", "imagenet_ema_top1", "imagenet_hours"))
    sizes = [quantity(name, "complexity") for name in _SIZES]
    rows, raw = [], []
    for name, own in repeats.items():
        counted = first(results.planned("complexity", layout=name, resolution=results.reference))
        recipe = str(own.records[0].at("recipe"))
        batch = _batch(own)
        rows.append(
            (
                Cell(name, sort=name),
                *(measured(counted, wanted) for wanted in sizes),
                Cell(recipe, sort=recipe),
                Cell(batch),
                own.mean_cell(top1),
                own.seeds_cell(top1),
                *(_quiet(own.mean_cell(wanted)) for wanted in (ema, hours)),
            )
        )
        record: dict[str, Any] = {"layout": name, "recipe": recipe, "batch": batch}
        record |= {wanted.column: stored(counted, wanted) for wanted in sizes}
        for wanted in (top1, ema, hours):
            record |= own.raw(wanted)
        raw.append(record)
    return Table(
        "imagenet",
        "ImageNet",
        f"{top1.definition} Recipes differ where the papers' do: only layouts of one recipe and batch are "
        "compared by these numbers.",
        (
            Column("Layout", left=True),
            *(Column(wanted.title) for wanted in sizes),
            Column("recipe", left=True),
            Column("batch"),
            Column("mean", "Top-1 (%)"),
            Column("seeds", "Top-1 (%)"),
            Column("EMA", "Top-1 (%)"),
            Column(hours.title),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )


def _batch(own: Repeats) -> str:
    """The global batch that was really used."""
    used = {str(r.values.batch) for r in own.records if isinstance(r.values, ImageNetValues)}
    return ", ".join(sorted(used)) or "–"


def _quiet(cell: Cell) -> Cell:
    return Cell("–") if cell.tone == "failed" else cell
