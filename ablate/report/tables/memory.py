"""Predicted memory by kind and kernel, and the measured peak beside it."""

from __future__ import annotations

import math

import pandas as pd

from ablate.measurements.memory import MemoryValues, Scratch
from ablate.measurements.register import quantity
from ablate.report.cells import measured, stored
from ablate.report.numbers import fixed, significant
from ablate.report.register import table
from ablate.report.results import Results, kind_quantities
from ablate.report.table import Cell, Column, Table, number, pixels
from ablate.run.rows import AnyRecord


@table("memory", order=70)
def memory_table(results: Results) -> Table | None:
    """Every memory cell."""
    planned = results.planned("memory")
    if not planned:
        return None
    shown = kind_quantities("memory")
    predicted = [wanted for wanted in shown if wanted.name not in ("measured_peak", "scratch")]
    rows, raw = [], []
    for record in planned:
        names = [Cell(text, sort=text) for text in (record.layout, record.at("mode"), record.at("kernel"))]
        place = (names[0], pixels(record.at("resolution")), *names[1:])
        rows.append((*place, *(measured(record, wanted) for wanted in predicted), *_beside(record)))
        values = record.values if isinstance(record.values, MemoryValues) else None
        scratch = _scratch_of(record)
        raw.append(
            {"layout": record.layout, "resolution_px": record.at("resolution"), "mode": record.at("mode")}
            | {"batch": record.at("batch"), "kernel": record.at("kernel"), "status": record.status}
            | {wanted.column: stored(record, wanted) for wanted in shown}
            | {"scratch_operator": scratch.operator if scratch else None}
            | {"scratch_module": scratch.module if scratch else None}
            | {"device_kernel": values.device_kernel if values else None}
            | {"not_measured": values.not_measured if values else None}
        )
    group = "predicted (MiB)"
    return Table(
        "memory",
        "Memory, predicted and measured",
        "Peaks are above the weights and the input, of one whole batch. Scratch is the part of the measured "
        "peak that no tensor holds: what the kernel running then takes and gives back within itself.",
        (
            Column("Layout", left=True),
            Column("px"),
            Column("mode", left=True),
            Column("kernel", left=True),
            *(Column(wanted.label.removesuffix(", predicted"), group) for wanted in predicted),
            Column("peak (MiB)", "measured"),
            Column("÷ predicted", "measured"),
            Column("scratch (MiB)", "measured"),
            Column("scratch of", "measured", left=True),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )


def _beside(record: AnyRecord) -> tuple[Cell, ...]:
    """The measured peak of a memory cell, its ratio to the predicted one, and the scratch in it with the
    operator that takes it; or why there is none."""
    real, peak = stored(record, quantity("measured_peak")), stored(record, quantity("peak"))
    if math.isnan(real) or math.isnan(peak) or not peak:
        reason = record.values.not_measured if isinstance(record.values, MemoryValues) else ""
        return Cell("–", hint=reason), Cell("–"), Cell("–"), Cell("–")
    scale = quantity("measured_peak").scale
    ratio = number(real / peak, fixed(real / peak, 3))
    return number(real, significant(real / scale, 3)), ratio, *_scratch(record)


def _scratch(record: AnyRecord) -> tuple[Cell, Cell]:
    taken = _scratch_of(record)
    if taken is None:
        return Cell("–", hint="told apart on a CPU only"), Cell("–")
    if not taken.bytes:
        return number(0, "0"), Cell("–")
    size = number(taken.bytes, significant(taken.bytes / quantity("scratch").scale, 3))
    return size, Cell(taken.operator.removeprefix("aten::"), hint=taken.module, sort=taken.operator)


def _scratch_of(record: AnyRecord) -> Scratch | None:
    values = record.values
    return values.measured.scratch if isinstance(values, MemoryValues) and values.measured else None
