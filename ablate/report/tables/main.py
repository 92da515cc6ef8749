"""The main table: one row per layout, everything the study measured, each number with its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.measurements.memory import MemoryValues
from ablate.measurements.register import is_known, measurement, quantities, quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.quantities import Quantity
from ablate.report.accuracy import Accuracy, accuracies
from ablate.report.cells import first, measured, ratio_cell, stored, with_interval
from ablate.report.columns import places
from ablate.report.comparisons import best_two, comparison_cell, comparison_raw, marked, ratios_to_baseline
from ablate.report.notes import main_notes, uncounted
from ablate.report.numbers import significant, with_error
from ablate.report.register import table
from ablate.report.repeats import repeats_of
from ablate.report.results import Results, kind_quantities
from ablate.report.table import Cell, Column, Table, Tone, failed, number
from ablate.run.rows import AnyRecord

_OWN = ("complexity", "memory", "throughput", "accuracy", "scaling", "audit")


@dataclass(frozen=True)
class _Group:
    """Columns that belong together: their heads, and the cells and raw numbers of one layout under them."""

    columns: tuple[Column, ...]
    cells: Callable[[str], Sequence[Cell]]
    raw: Callable[[str], dict[str, Any]]


@table("main", order=0)
def main_table(results: Results) -> Table:
    """One row per layout in the order of the study; a layout whose cells failed keeps its row and says why.

    Every number stands with its error, or with the reason that there is none.
    """
    builders = (_size, _work, _memory, _latency, _accuracy)
    groups = [group for builder in builders if (group := builder(results)) is not None]
    groups += [
        _others(results, kind, kind_quantities(kind))
        for kind in results.kinds
        if kind not in _OWN and is_known(kind)
    ]
    heads = [column for group in groups for column in group.columns]
    groups += [_chosen(results, wanted) for wanted in _asked(results, heads)]
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
    if not results.planned("complexity"):
        return None
    quantities = [quantity(name, "complexity") for name in names]

    def record_of(name: str) -> AnyRecord | None:
        return first(results.planned("complexity", layout=name, resolution=results.reference))

    def cells(name: str) -> list[Cell]:
        record = record_of(name)
        marked = bool(record and uncounted([record]))
        row = []
        for wanted in quantities:
            cell = measured(record, wanted)
            flagged = wanted.name in ("macs", "training_macs") and marked and cell.sort is not None
            row.append(Cell(f"{cell.text}†", cell.sort, "flag") if flagged else cell)
        return row

    def raw(name: str) -> dict[str, Any]:
        record = record_of(name)
        numbers: dict[str, Any] = {wanted.column: stored(record, wanted) for wanted in quantities}
        if "macs" in names:
            numbers["flops"] = stored(record, quantity("flops"))
            numbers["uncounted"] = " ".join(uncounted([record]) if record else ())
        return numbers

    return _Group(tuple(Column(wanted.title, group) for wanted in quantities), cells, raw)


def _size(results: Results) -> _Group | None:
    return _counted(results, ["params"], "")


def _work(results: Results) -> _Group | None:
    return _counted(results, ["macs", "training_macs", "elementwise"], f"One image at {results.reference} px")


def _memory(results: Results) -> _Group | None:
    planned = results.planned("memory")
    if not planned:
        return None
    resolution = results.nearest("memory")
    mode = "training" if any(record.at("mode") == "training" for record in planned) else "inference"
    batch = planned[0].at("batch")
    peak = quantity("peak")
    group = f"Peak memory, {mode}, {resolution} px, batch {batch} ({peak.unit})"
    place = {"resolution": resolution, "mode": mode, "batch": batch}

    def by_kernel(name: str, kernel: str) -> AnyRecord | None:
        return first(results.planned("memory", layout=name, kernel=kernel, **place))

    def cells(name: str) -> list[Cell]:
        predicted = [measured(by_kernel(name, kernel), peak) for kernel in ("fused", "math")]
        value = measured_peak(results.planned("memory", layout=name, **place))
        return [*predicted, number(value, significant(value / peak.scale, peak.digits))]

    def raw(name: str) -> dict[str, Any]:
        numbers = {
            f"{mode}_peak_{kernel}_bytes": stored(by_kernel(name, kernel), peak)
            for kernel in ("fused", "math")
        }
        real = measured_peak(results.planned("memory", layout=name, **place))
        return numbers | {f"{mode}_peak_measured_bytes": real}

    return _Group(tuple(Column(head, group) for head in ("fused", "math", "measured")), cells, raw)


def measured_peak(records: Sequence[AnyRecord]) -> float:
    """The measured peak in bytes: of the kernel that the device runs, else of any cell that has one."""
    known = [
        (values.device_kernel != record.at("kernel"), float(values.measured_peak))
        for record in records
        if isinstance(values := record.values, MemoryValues) and values.measured_peak is not None
    ]
    return min(known, key=lambda pair: pair[0])[1] if known else math.nan


def _latency(results: Results) -> _Group | None:
    planned = results.planned("throughput")
    if not planned:
        return None
    names = ("mode", "precision", "batch", "compile", "device")
    head = {name: planned[0].at(name) for name in names}
    resolution = results.nearest("throughput")
    group = f"Latency, {head['mode']}, {resolution} px, batch {head['batch']}, {head['precision']}"

    def record_of(name: str) -> AnyRecord | None:
        return first(results.planned("throughput", layout=name, resolution=resolution, **head))

    records = {name: record_of(name) for name in results.layouts}
    ratios = ratios_to_baseline(results, records)
    marks = best_two(
        {name: dict(enumerate(values.process_ms)) for name, values in _timed(records).items()}, ratio=True
    )

    def cells(name: str) -> list[Cell]:
        record = records[name]
        latency = marked(with_interval(record, "latency"), marks.get(name))
        return [latency, ratio_cell(record, name, ratios.get(name))]

    def raw(name: str) -> dict[str, Any]:
        shown = ("latency", "latency_low", "latency_high", "latency_ratio", "ratio_low", "ratio_high")
        numbers = {(wanted := quantity(key)).column: stored(records[name], wanted) for key in shown}
        tested = comparison_raw(ratios.get(name), "latency_ratio")
        return numbers | {key: tested[key] for key in tested if key not in numbers}

    return _Group((Column("ms per batch", group), Column("÷\u00a0baseline", group)), cells, raw)


def _timed(records: Mapping[str, AnyRecord | None]) -> dict[str, ThroughputValues]:
    return {
        name: record.values
        for name, record in records.items()
        if record is not None and isinstance(record.values, ThroughputValues)
    }


def _accuracy(results: Results) -> _Group | None:
    known = accuracies(results)
    if not known:
        return None
    condition = results.planned("accuracy")[0]
    group = f"Top-1, {condition.at('dataset')}, {_budget(condition)} (%)"
    columns = (Column("mean", group), Column("seeds", group), Column("−\u00a0baseline", group))

    marks = best_two({name: accuracy.by_seed for name, accuracy in known.items() if accuracy.finished})

    def cells(name: str) -> list[Cell]:
        mean, *others = accuracy_cells(known[name], is_baseline=name == results.baseline)
        return [marked(mean, marks.get(name)), *others]

    return _Group(columns, cells, lambda name: known[name].raw())


def _budget(record: AnyRecord) -> str:
    """How long an accuracy cell trains: `2 epochs`, `30,000 images` or `75 core-seconds`."""
    for name in ("images", "core_seconds", "epochs"):
        amount = record.at(name)
        if amount is not None:
            unit = name.replace("_", "-")
            return f"{float(amount):,.6g} {unit.removesuffix('s') if amount == 1 else unit}"
    return "no training"


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
    return [mean, seeds, comparison_cell(difference)]


def _asked(results: Results, shown: Sequence[Column]) -> list[Quantity]:
    """The quantities that the study wants as columns and that no column shows."""
    known = {word: entry for entry in quantities() for word in (entry.name, *entry.aliases)}
    heads = [Column("Layout"), *shown]
    wanted = [known[word] for word in results.fact.columns if word in known and not places(heads, word)]
    return [entry for entry in dict.fromkeys(wanted) if entry.kind in results.kinds]


def _chosen(results: Results, wanted: Quantity) -> _Group:
    """One quantity: over the seeds, or at the resolution of the table."""
    if wanted.repeats:
        return _others(results, wanted.kind, [wanted])
    side = results.shown_at(wanted.kind)
    records = {
        name: first(results.planned(wanted.kind, layout=name, resolution=side)) for name in results.layouts
    }
    title = measurement(wanted.kind).title + ("" if side is None else f", {side} px")
    return _Group(
        (Column(wanted.title, title, key=wanted.name),),
        lambda name: [measured(records[name], wanted)],
        lambda name: {wanted.column: stored(records[name], wanted)},
    )


def _others(results: Results, kind: str, shown: Sequence[Quantity]) -> _Group:
    """Quantities of a measurement under its first condition, over the seeds where it has several."""
    known = repeats_of(results, kind)

    def cell(name: str, wanted: Quantity) -> Cell:
        own = known.get(name)
        if own is not None and wanted.repeats and len(own.records) > 1:
            return own.mean_cell(wanted)
        return measured(own.records[0] if own else None, wanted)

    def raw(name: str) -> dict[str, Any]:
        numbers: dict[str, Any] = {}
        for wanted in shown:
            summary = known[name].summary(wanted) if name in known else None
            numbers[wanted.column] = math.nan if summary is None else summary.mean * wanted.scale
        return numbers

    title = measurement(kind).title
    columns = tuple(Column(wanted.title, title, key=wanted.name) for wanted in shown)
    return _Group(columns, lambda name: [cell(name, wanted) for wanted in shown], raw)
