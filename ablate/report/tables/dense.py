"""What dense models cost: backbone, neck, head and whole, each group of columns under its convention."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from ablate.measurements.dense import ConventionValues, DenseCostValues, PieceCost
from ablate.quantities import MEBI
from ablate.report.cells import why_not
from ablate.report.numbers import fixed, significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.run.rows import AnyRecord

_HEADS = {
    "retinanet": "RetinaNet, 1280 × 800, 80 classes",
    "semantic_fpn": "Semantic FPN, 512 × 512, 150 classes",
    "backbone_512": "Backbone alone, 512 × 512",
}
_PARTS = ("backbone", "neck", "head")
_Read = Callable[[DenseCostValues], float | None]


@table("dense", order=60)
def dense_table(results: Results) -> Table | None:
    """One row a layout; None where the study does not count dense models."""
    planned = results.planned("dense")
    if not planned:
        return None
    columns = [entry for name in _HEADS for entry in _columns(name)]
    rows, raw = [], []
    for record in planned:
        rows.append((Cell(record.layout, sort=record.layout), *_cells(record, [read for _, read in columns])))
        raw.append({"layout": record.layout, "status": record.status} | _raw(record.values))
    uncounted = sorted({operator for record in planned for operator in _uncounted(record.values)})
    notes = [f"Operators without a counting rule: {', '.join(uncounted)}."] if uncounted else []
    return Table(
        "dense",
        "Dense models",
        "MACs (G) of one forward pass and parameters (M), whole and split; peaks are inference, batch 1, "
        "attention fused, above the weights and the image (MiB). The head of each group of columns is the "
        "convention that was counted.",
        (Column("Layout", left=True), *(column for column, _ in columns)),
        tuple(rows),
        pd.DataFrame(raw),
        tuple(notes),
    )


def _columns(name: str) -> list[tuple[Column, _Read]]:
    """The columns of one convention, and what each reads."""

    def convention(values: DenseCostValues) -> ConventionValues:
        entry: ConventionValues = getattr(values, name)
        return entry

    def piece(values: DenseCostValues, part: str) -> PieceCost:
        entry: PieceCost = getattr(convention(values), part)
        return entry

    def peak(values: DenseCostValues) -> float | None:
        memory = convention(values).memory
        return None if memory is None else memory.fused.inference_peak / MEBI

    head = _HEADS[name]
    whole: list[tuple[Column, _Read]] = [
        (Column("MACs", head), lambda values: convention(values).macs / 1e9),
        (Column("params", head), lambda values: convention(values).params / 1e6),
        (Column("peak", head), peak),
    ]
    if name == "backbone_512":
        return whole

    def macs_of(part: str) -> _Read:
        return lambda values: piece(values, part).macs / 1e9

    return [*whole[:1], *((Column(part, head), macs_of(part)) for part in _PARTS), *whole[1:]]


def _cells(record: AnyRecord, reads: list[_Read]) -> list[Cell]:
    values = record.values
    if not isinstance(values, DenseCostValues):
        return [why_not(record), *[Cell("–")] * (len(reads) - 1)]
    cells = []
    for read in reads:
        value = read(values)
        text = "" if value is None else fixed(value, 2) if value < 1000 else significant(value, 4)
        cells.append(Cell("–") if value is None else number(value, text))
    return cells


def _raw(values: object) -> dict[str, float | None]:
    """Whole numbers by convention and piece, for the CSV file; nothing where the cell is not done."""
    record: dict[str, float | None] = {}
    for name in _HEADS:
        cost = getattr(values, name, None)
        for part in _PARTS if name != "backbone_512" else ():
            piece = getattr(cost, part, None)
            record[f"{name}_{part}_macs"] = getattr(piece, "macs", None)
            record[f"{name}_{part}_params"] = getattr(piece, "params", None)
        record[f"{name}_macs"] = getattr(cost, "macs", None)
        record[f"{name}_params"] = getattr(cost, "params", None)
        for kernel in ("fused", "math"):
            memory = getattr(getattr(cost, "memory", None), kernel, None)
            for mode in ("inference", "training"):
                record[f"{name}_{mode}_peak_{kernel}_bytes"] = getattr(memory, f"{mode}_peak", None)
    return record


def _uncounted(values: object) -> set[str]:
    if not isinstance(values, DenseCostValues):
        return set()
    return {operator for name in _HEADS for operator in getattr(values, name).uncounted}
