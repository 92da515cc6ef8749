"""Where in a layout its parameters and its work lie."""

from __future__ import annotations

import pandas as pd

from ablate.measurements.complexity import ComplexityValues, StageCost
from ablate.measurements.register import quantity
from ablate.report.numbers import fixed, significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number

COLUMNS = ("params", "macs", "elementwise")


def stage_costs(results: Results) -> dict[str, tuple[StageCost, ...]]:
    """The costs of each layout's stages at the reference resolution; empty without any."""
    costs = {
        record.layout: record.values.stages
        for record in results.done("complexity", resolution=results.reference)
        if isinstance(record.values, ComplexityValues) and record.values.stages
    }
    return {name: costs[name] for name in results.layouts if name in costs}


@table("stages", order=60)
def stage_table(results: Results) -> Table | None:
    """Parameters, MACs and element-wise work by stage."""
    costs = stage_costs(results)
    if not costs:
        return None
    shown = [quantity(name, "complexity") for name in COLUMNS]
    rows, raw = [], []
    for layout, stages in costs.items():
        total = sum(stage.macs for stage in stages)
        for stage in stages:
            numbers = {wanted.column: float(getattr(stage, wanted.name)) for wanted in shown}
            cells = [
                number(numbers[wanted.column], significant(numbers[wanted.column] / wanted.scale, 3))
                for wanted in shown
            ]
            share = 100 * stage.macs / total if total else 0.0
            names = (Cell(layout, sort=layout), Cell(stage.name, sort=stage.name))
            rows.append((*names, *cells, number(share, fixed(share, 1))))
            raw.append({"layout": layout, "stage": stage.name, **numbers, "resolution_px": results.reference})
    return Table(
        "stages",
        f"Cost by stage at {results.reference} px",
        "A stage holds the downsampling before it; the head holds the last norm and the classifier.",
        (
            Column("Layout", left=True),
            Column("Stage", left=True),
            *(Column(wanted.title) for wanted in shown),
            Column("share of MACs (%)"),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )
