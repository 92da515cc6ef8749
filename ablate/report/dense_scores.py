"""The table that detection and segmentation share: scores over seeds, and the protocol behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ablate.measurements.dense_training import DenseValues
from ablate.measurements.register import quantity
from ablate.report.comparisons import comparison_cell
from ablate.report.numbers import plural
from ablate.report.repeats import Repeats, differences, repeats_of, resolvable
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table
from ablate.statistics.compare import Comparison


def score_table(results: Results, kind: str, title: str, names: Sequence[str]) -> Table | None:
    """One row a layout with the scores `names`; None without any cell.

    The first score stands against the baseline and, where it was measured, against neck and head alone on the
    frozen backbone.
    """
    repeats = repeats_of(results, kind)
    if not repeats:
        return None
    main, *others = [quantity(name, kind) for name in names]
    compared = {wanted.name: differences(repeats, wanted) for wanted in (main, *others)}
    if results.fact.equivalent_within:
        compared[main.name] = differences(repeats, main, results.fact.equivalent_within)
    floor = _floor(results, kind)
    gained = differences(repeats, main, against=floor)
    rows, raw = [], []
    for name, own in repeats.items():
        texts = [own.mean_cell(wanted) for wanted in others]
        rows.append(
            (
                Cell(name, sort=name),
                own.mean_cell(main),
                own.seeds_cell(main),
                Cell("0", sort=0.0) if own.is_baseline else _difference(compared[main.name].get(name)),
                *((floor[name].mean_cell(main), _difference(gained.get(name))) if floor else ()),
                *(Cell("–") if cell.tone == "failed" else cell for cell in texts),
            )
        )
        record: dict[str, object] = {"layout": name, "seeds_planned": len(own.records)}
        record["seeds_finished"] = len(own.by_seed(main))
        for wanted in (main, *others):
            record |= own.raw(wanted, compared[wanted.name].get(name))
        if floor:
            record |= _renamed(floor[name].raw(main, gained.get(name)), main.column)
        raw.append(record)
    columns = (
        Column("Layout", left=True),
        Column("mean", main.title),
        Column("seeds", main.title),
        Column("−\u00a0baseline", main.title),
        *((Column("frozen", main.title), Column("−\u00a0frozen", main.title)) if floor else ()),
        *(Column(wanted.title) for wanted in others),
    )
    notes = (resolvable(repeats, main), *_protocols(repeats.values()))
    caption = f"{main.definition} Differences to the baseline are paired by seed and corrected by Holm."
    if floor:
        caption += " Frozen: the same neck and head trained on the backbone as it starts, which is not moved."
    return Table(kind, title, caption, columns, tuple(rows), pd.DataFrame(raw), notes)


def _floor(results: Results, kind: str) -> dict[str, Repeats]:
    """The runs with the backbone frozen, by layout, where they stand beside others."""
    planned = results.planned(kind)
    return {} if not planned or planned[0].at("freeze") else repeats_of(results, kind, freeze=True)


def _difference(comparison: Comparison | None) -> Cell:
    return Cell("–") if comparison is None else comparison_cell(comparison)


def _renamed(raw: dict[str, object], column: str) -> dict[str, object]:
    """The entries of a CSV file under the floor's names."""
    gain = f"{column}_difference"
    return {
        name.replace(gain, f"{column}_over_frozen")
        if gain in name
        else name.replace(column, f"{column}_frozen"): value
        for name, value in raw.items()
    }


def _protocols(repeats: Iterable[Repeats]) -> list[str]:
    """What the numbers depend on beside the layout, in words; each once."""
    known: dict[str, None] = {}
    for own in repeats:
        for record in own.records:
            if isinstance(record.values, DenseValues):
                known[_protocol(record.values)] = None
    return list(known)


def _protocol(values: DenseValues) -> str:
    data, schedule = values.data, values.schedule
    start = "untrained" if values.weights == "none" else f"from {values.weights}"
    steps = f"{plural(values.steps, 'step')} of {schedule['batch']} images"
    return (
        f"{data['dataset']} ({data['source']}), {data['classes']} classes, {data['test_images']:,} test "
        f"images; schedule {schedule['name']}: {steps}, backbone {start}; judged at: {values.test}."
    )
