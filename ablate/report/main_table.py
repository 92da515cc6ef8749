"""The main table: one row per layout, everything the study measured, each number with its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.report.accuracy import Accuracy, accuracies
from ablate.report.metrics import metric
from ablate.report.notes import main_notes, uncounted
from ablate.report.numbers import signed, significant, with_error
from ablate.report.results import Results, select
from ablate.report.table import Cell, Column, Table, Tone, failed, number


@dataclass(frozen=True)
class _Group:
    """Columns that belong together: their heads, and the cells and raw numbers of one layout under them."""

    columns: tuple[Column, ...]
    cells: Callable[[str], Sequence[Cell]]
    raw: Callable[[str], dict[str, Any]]


def main_table(results: Results) -> Table:
    """One row per layout in the order of the study; a layout whose cells failed keeps its row and says why.

    Every number stands with its error, or with the reason that there is none.
    """
    builders = (_size, _work, _memory, _latency, _accuracy)
    groups = [group for builder in builders if (group := builder(results)) is not None]
    rows, raw = [], []
    for name in results.layouts:
        rows.append((Cell(name, sort=name), *(cell for group in groups for cell in group.cells(name))))
        record: dict[str, Any] = {"layout": name}
        for group in groups:
            record |= group.raw(name)
        raw.append(record)
    return Table(
        "main",
        f"Results of {results.study}",
        _caption(results),
        (Column("Layout", left=True), *(column for group in groups for column in group.columns)),
        tuple(rows),
        pd.DataFrame(raw),
        tuple(main_notes(results)),
    )


def _caption(results: Results) -> str:
    parts = ["One row per layout; ± is the 95 % interval."]
    if results.baseline is not None:
        parts.append(f"The baseline is {results.baseline}.")
    return " ".join(parts)


def _counted(results: Results, names: Sequence[str], group: str) -> _Group | None:
    if results.planned("complexity").empty:
        return None
    rows = select(results.planned("complexity"), resolution=results.reference)
    metrics = [metric("complexity", name) for name in names]

    def cells(name: str) -> list[Cell]:
        row = select(rows, layout=name)
        found = []
        for each in metrics:
            cell = measured(row, each.column, each.scale, each.digits)
            flagged = each.name in ("macs", "training_macs") and uncounted(row) and cell.sort is not None
            found.append(Cell(f"{cell.text}†", cell.sort, "flag") if flagged else cell)
        return found

    def raw(name: str) -> dict[str, Any]:
        row = select(rows, layout=name)
        record: dict[str, Any] = {each.column: first(row, each.column) for each in metrics}
        if "macs" in names:
            record["flops"] = first(row, "flops")
            record["uncounted"] = " ".join(uncounted(row))
        return record

    return _Group(tuple(Column(each.title, group) for each in metrics), cells, raw)


def _size(results: Results) -> _Group | None:
    return _counted(results, ["params"], "")


def _work(results: Results) -> _Group | None:
    return _counted(results, ["macs", "training_macs", "elementwise"], f"One image at {results.reference} px")


def _memory(results: Results) -> _Group | None:
    planned = results.planned("memory")
    if planned.empty:
        return None
    resolution = results.nearest("memory")
    mode = "training" if "training" in set(planned["mode"]) else "inference"
    batch = planned["batch"].iloc[0] if "batch" in planned else 1
    rows = select(planned, resolution=resolution, mode=mode, batch=batch)
    peak = metric("memory", "peak")
    group = f"Peak memory, {mode}, {resolution} px, batch {batch} ({peak.unit})"

    def by_kernel(name: str, kernel: str) -> pd.DataFrame:
        return select(rows, layout=name, kernel=kernel)

    def cells(name: str) -> list[Cell]:
        found = [
            measured(by_kernel(name, kernel), peak.column, peak.scale, peak.digits)
            for kernel in ("fused", "math")
        ]
        value = measured_peak(select(rows, layout=name))
        return [*found, number(value, significant(value / peak.scale, peak.digits))]

    def raw(name: str) -> dict[str, Any]:
        record = {
            f"{mode}_peak_{kernel}_bytes": first(by_kernel(name, kernel), peak.column)
            for kernel in ("fused", "math")
        }
        return record | {f"{mode}_peak_measured_bytes": measured_peak(select(rows, layout=name))}

    return _Group(tuple(Column(head, group) for head in ("fused", "math", "measured")), cells, raw)


def _latency(results: Results) -> _Group | None:
    planned = results.planned("throughput")
    if planned.empty:
        return None
    head = {
        key: planned[key].iloc[0]
        for key in ("mode", "precision", "batch", "compile", "device")
        if key in planned
    }
    resolution = results.nearest("throughput")
    rows = select(planned, resolution=resolution, **head)
    protocol = f"{resolution} px, batch {head.get('batch', 1)}, {head.get('precision', '')}"
    group = f"Latency, {head.get('mode', '')}, {protocol}"

    def cells(name: str) -> list[Cell]:
        row = select(rows, layout=name)
        return [latency_cell(row), ratio_cell(row, name)]

    def raw(name: str) -> dict[str, Any]:
        row = select(rows, layout=name)
        columns = ["latency_ms", "latency_low_ms", "latency_high_ms"]
        columns += ["latency_ratio", "latency_ratio_low", "latency_ratio_high"]
        return {column: first(row, column) for column in columns}

    return _Group((Column("ms per batch", group), Column("÷\u00a0baseline", group)), cells, raw)


def _accuracy(results: Results) -> _Group | None:
    found = accuracies(results)
    if not found:
        return None
    condition = results.conditions("accuracy", ["dataset", "epochs"])[0]
    group = f"Top-1, {condition.get('dataset', '')}, {condition.get('epochs', 0):g} epochs (%)"
    columns = (Column("mean", group), Column("seeds", group), Column("−\u00a0baseline", group))

    def cells(name: str) -> list[Cell]:
        return accuracy_cells(found[name], is_baseline=name == results.baseline)

    return _Group(columns, cells, lambda name: found[name].raw())


def first(rows: pd.DataFrame, column: str) -> float:
    """The number of the first row in a column; NaN when there is none."""
    return float(rows[column].iloc[0]) if len(rows) and column in rows else math.nan


def measured(rows: pd.DataFrame, column: str, scale: float, digits: int) -> Cell:
    """The cell of one number in its displayed unit, or why it does not exist."""
    value = first(rows, column)
    if math.isnan(value):
        return failed(rows["status"], rows["reason"]) if len(rows) else Cell("–")
    return number(value, significant(value / scale, digits))


def measured_peak(rows: pd.DataFrame) -> float:
    """The measured peak in bytes: of the kernel that the device runs, else of any row that has one."""
    if rows.empty:
        return math.nan
    own = rows[
        [
            values.get("device_kernel") == kernel
            for values, kernel in zip(rows["values"], rows["kernel"], strict=True)
        ]
    ]
    for candidates in (own, rows):
        known = candidates["measured_peak_bytes"].dropna()
        if len(known):
            return float(known.iloc[0])
    return math.nan


def latency_cell(row: pd.DataFrame) -> Cell:
    """Latency in milliseconds with its error, the wider half of the interval between processes."""
    value = first(row, "latency_ms")
    if math.isnan(value):
        return measured(row, "latency_ms", 1.0, 3)
    low, high = first(row, "latency_low_ms"), first(row, "latency_high_ms")
    return number(value, with_error(value, half_width(value, low, high)))


def ratio_cell(row: pd.DataFrame, name: str) -> Cell:
    """Latency over the baseline's; `tie` when the difference is inside the error."""
    value = first(row, "latency_ratio")
    if math.isnan(value):
        return measured(row, "latency_ratio", 1.0, 3)
    values = row["values"].iloc[0]
    low, high = first(row, "latency_ratio_low"), first(row, "latency_ratio_high")
    if values.get("ratio_to") == name:
        return Cell("1", sort=1.0)
    text = with_error(value, half_width(value, low, high))
    if values.get("tie", low <= 1 <= high):
        return Cell("tie", sort=value, tone="tie", hint=f"{text}: the interval holds 1")
    return number(value, text)


def accuracy_cells(accuracy: Accuracy, *, is_baseline: bool) -> list[Cell]:
    """Mean with its interval, number of seeds, difference to the baseline."""
    if accuracy.finished == 0:
        none = Cell(accuracy.seeds_text, sort=0.0, tone="failed")
        return [failed(accuracy.statuses, accuracy.reasons), none, Cell("–")]
    mean = number(accuracy.mean, with_error(accuracy.mean, accuracy.half_width, fallback_digits=3))
    tone: Tone = "failed" if accuracy.finished < accuracy.planned else ""
    seeds = Cell(
        accuracy.seeds_text, sort=float(accuracy.finished), tone=tone, hint="; ".join(accuracy.reasons)
    )
    difference = accuracy.difference
    if is_baseline or difference is None:
        return [mean, seeds, Cell("0", sort=0.0) if is_baseline else Cell("–")]
    text = signed(difference.mean, accuracy.difference_half_width)
    if not difference.resolved:
        return [mean, seeds, Cell("not resolved", sort=difference.mean, tone="tie", hint=text)]
    return [mean, seeds, number(difference.mean, text)]


def half_width(value: float, low: float, high: float) -> float:
    """The wider side of an interval around a value."""
    return max(high - value, value - low)
