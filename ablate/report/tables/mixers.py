"""What each mixer can know of an image: its family, the order of its MACs, and its summary size by stage."""

from __future__ import annotations

import pandas as pd

from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table
from ablate.run.facts import MixerFact, MixerRecord
from ablate.run.keyed_facts import FormulaFact


@table("mixers", order=96)
def mixers_table(results: Results) -> Table | None:
    """One row a mixer and set of sizes; None for ledgers without the fact, and for models of timm alone."""
    fact = results.knows(MixerFact)
    if fact is None or not fact.rows:
        return None
    formulas = results.knows(FormulaFact)
    orders = {row.block: row.order for row in formulas.rows} if formulas is not None else {}
    rows = [
        (
            Cell(row.block, sort=row.block, hint=row.caveat),
            Cell(row.family, sort=row.family),
            Cell(orders.get(row.block, "–"), sort=orders.get(row.block, "")),
            _sizes(row),
            Cell(", ".join(row.layouts), sort=", ".join(row.layouts)),
        )
        for row in fact.rows
    ]
    raw = [
        (row.block, row.family, orders.get(row.block), stage, size, ", ".join(row.layouts), row.caveat)
        for row in fact.rows
        for stage, size in zip(row.stages, row.sizes, strict=True)
    ]
    columns = ["block", "family", "order_of_macs", "stage", "summary_size", "layouts", "caveat"]
    notes = dict.fromkeys(f"{row.block}: {row.caveat}." for row in fact.rows if row.caveat)
    return Table(
        "mixers",
        "Mixers",
        f"How many numbers about an image of {fact.resolution} pixels each mixer keeps that do not depend on "
        "the query, stage by stage; the order is that of its MACs in the number of tokens.",
        tuple(
            Column(head, left=True) for head in ("Block", "family", "order", "summary size by stage", "in")
        ),
        tuple(rows),
        pd.DataFrame(raw, columns=columns),
        tuple(notes),
    )


def _sizes(row: MixerRecord) -> Cell:
    """`3: 1,280, 4: 2,048`; a single number where all stages keep as many, `unknown` where none says."""
    distinct = set(row.sizes)
    if distinct == {None}:
        return Cell("unknown")
    first = next(size for size in row.sizes if size is not None)
    if len(distinct) == 1:
        return Cell(f"{first:,}", sort=first)
    pairs = zip(row.stages, row.sizes, strict=True)
    return Cell(
        "; ".join(f"{stage}: {'unknown' if size is None else f'{size:,}'}" for stage, size in pairs),
        sort=first,
    )
