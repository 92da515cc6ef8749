"""Tables of measurements: every memory cell, every latency, every training run."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ablate.report.main_table import latency_cell, measured, ratio_cell
from ablate.report.metrics import metric, of_kind
from ablate.report.notes import throughput_notes
from ablate.report.numbers import fixed, significant
from ablate.report.results import Results, describe
from ablate.report.rooflines import Rooflines, roofline_note
from ablate.report.table import Cell, Column, Table, number, pixels


def memory_table(results: Results) -> Table | None:
    """Predicted memory by kind and kernel, and the measured peak beside it."""
    planned = results.planned("memory")
    if planned.empty:
        return None
    *predicted, real = of_kind("memory")
    rows, raw = [], []
    for position, record in enumerate(planned.to_dict("records")):
        row = planned.iloc[[position]]
        cells = [measured(row, each.column, each.scale, each.digits) for each in predicted]
        names = [Cell(str(record[key]), sort=str(record[key])) for key in ("layout", "mode", "kernel")]
        place = (names[0], pixels(record["resolution"]), *names[1:])
        rows.append((*place, *cells, *_beside(record)))
        raw.append(
            {"layout": record["layout"], "resolution_px": record["resolution"], "mode": record["mode"]}
            | {"batch": record.get("batch", 1), "kernel": record["kernel"], "status": record["status"]}
            | {each.column: record[each.column] for each in (*predicted, real)}
            | {key: record["values"].get(key) for key in ("device_kernel", "not_measured")}
        )
    group = "predicted (MiB)"
    return Table(
        "memory",
        "Memory, predicted and measured",
        "Peaks are above the weights and the input, of one whole batch.",
        (
            Column("Layout", left=True),
            Column("px"),
            Column("mode", left=True),
            Column("kernel", left=True),
            *(Column(each.label.removesuffix(", predicted"), group) for each in predicted),
            Column("peak (MiB)", "measured"),
            Column("÷ predicted", "measured"),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )


def _beside(record: Mapping[Hashable, Any]) -> tuple[Cell, Cell]:
    """The measured peak of a memory row and its ratio to the predicted one, or why there is none."""
    real, peak = float(record["measured_peak_bytes"]), float(record["predicted_peak_bytes"])
    if math.isnan(real) or math.isnan(peak) or not peak:
        return Cell("–", hint=str(record["values"].get("not_measured") or "")), Cell("–")
    scale = metric("memory", "measured_peak").scale
    return number(real, significant(real / scale, 3)), number(real / peak, fixed(real / peak, 3))


def throughput_table(results: Results) -> Table | None:
    """Latency and throughput under every condition; the entries that all rows share stand in the caption."""
    planned = results.planned("throughput")
    if planned.empty:
        return None
    speed = metric("throughput", "speed")
    telling = results.varying("throughput") - {"resolution"}
    entries = [
        key for key in ("mode", "batch", "precision", "threads", "compile", "device") if key in planned
    ]
    shared = {key: planned[key].iloc[0] for key in entries if key not in telling}
    rooflines = Rooflines(results)
    rows, raw = [], []
    for position, record in enumerate(planned.to_dict("records")):
        row = planned.iloc[[position]]
        name = str(record["layout"])
        text = describe({key: record[key] for key in entries if key in telling})
        condition = [Cell(text, sort=text)] if telling else []
        cells = [latency_cell(row), measured(row, speed.column, 1.0, speed.digits), ratio_cell(row, name)]
        least = rooflines.of(record)
        cells += _roofline(float(record["latency_ms"]), least) if rooflines else ()
        rows.append((Cell(name, sort=name), pixels(record["resolution"]), *condition, *cells))
        process = record["values"].get("process_ms") or ()
        raw.append(
            {"layout": name, "resolution_px": record["resolution"]}
            | {key: record[key] for key in entries}
            | {"status": record["status"]}
            | {each.column: record[each.column] for each in of_kind("throughput")}
            | ({"roofline_ms": least} if rooflines else {})
            | {
                "busy_machine": record["values"].get("busy"),
                "latency_ratio_to": record["values"].get("ratio_to"),
                "latency_of_processes_ms": " ".join(repr(float(value)) for value in process),
            }
        )
    return Table(
        "throughput",
        "Latency and throughput",
        "Median over calls and fresh processes; ± is half the 95 % interval between processes. "
        f"All rows: {describe(shared)}.",
        (
            Column("Layout", left=True),
            Column("px"),
            *([Column("condition", left=True)] if telling else []),
            Column("ms per batch"),
            Column("images/s"),
            Column("÷\u00a0baseline"),
            *((Column("roofline ms"), Column("÷\u00a0roofline")) if rooflines else ()),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        (*throughput_notes(results), *filter(None, [roofline_note(results)])),
    )


def _roofline(latency: float, least: float) -> tuple[Cell, Cell]:
    """The roofline time of a timed row and how many times longer it really took."""
    return number(least, significant(least, 3)), number(latency / least, significant(latency / least, 2))


def seed_table(results: Results) -> Table | None:
    """Every training run of the study, one row per seed."""
    planned = results.planned("accuracy")
    if planned.empty:
        return None
    metrics = of_kind("accuracy")
    rows, raw = [], []
    for position, record in enumerate(planned.to_dict("records")):
        row = planned.iloc[[position]]
        cells = [measured(row, each.column, each.scale, each.digits) for each in metrics]
        cells = [cells[0], *(cell if cell.tone != "failed" else Cell("–") for cell in cells[1:])]
        layout, seed = str(record["layout"]), int(record["seed"])
        rows.append((Cell(layout, sort=layout), Cell(str(seed), sort=float(seed)), *cells))
        names = ("dataset", "epochs", "recipe", "batch", "resolution", "precision", "subset")
        condition = {key: record[key] for key in names if record.get(key) is not None}
        raw.append({"layout": layout, "seed": seed, **condition, "status": record["status"]})
        raw[-1] |= {each.column: record[each.column] for each in metrics}
    return Table(
        "seeds",
        "Accuracy, every run",
        "The runs behind the means; the same seed gives every layout the same order of images.",
        (Column("Layout", left=True), Column("seed"), *(Column(each.title) for each in metrics)),
        tuple(rows),
        pd.DataFrame(raw),
    )
