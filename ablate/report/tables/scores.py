"""Every further score of the trained models: other averages, other test resolutions, changed test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ablate.measurements.accuracy import AccuracyValues
from ablate.measurements.register import measurement, quantity
from ablate.quantities import Quantity
from ablate.report.comparisons import comparison_cell
from ablate.report.register import table
from ablate.report.repeats import Repeats, differences, repeats_of
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table


@table("scores", order=7)
def score_table(results: Results) -> Table | None:
    """One row a score and layout; None where the trained models were asked for top-1 alone."""
    known = repeats_of(results, "accuracy")
    rows, raw = [], []
    for wanted in _scores(known.values()):
        compared = differences(known, wanted, results.fact.equivalent_within)
        for name, own in known.items():
            if not own.by_seed(wanted):
                continue
            difference = compared.get(name)
            against = Cell("0", sort=0.0) if own.is_baseline else Cell("–")
            rows.append(
                (
                    Cell(wanted.label, sort=wanted.label),
                    Cell(name, sort=name),
                    own.mean_cell(wanted),
                    own.seeds_cell(wanted),
                    against if difference is None else comparison_cell(difference),
                )
            )
            raw.append({"score": wanted.name, "layout": name, **own.raw(wanted, difference)})
    if not rows:
        return None
    return Table(
        "scores",
        "Further scores",
        "The same trained models by other scores; ± is the 95 % interval over seeds. Differences to the "
        "baseline are paired by seed and corrected over the layouts of a score (Holm).",
        (
            Column("Score", left=True),
            Column("Layout", left=True),
            Column("mean (%)"),
            Column("seeds"),
            Column("−\u00a0baseline"),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )


def _scores(known: Iterable[Repeats]) -> list[Quantity]:
    """The scores that some run has: those that need asking for, and each change and resolution by itself.

    Balanced accuracy is one where it is not top-1, which it is when all classes have as many test images.
    """
    runs = [
        record.values for own in known for record in own.records if isinstance(record.values, AccuracyValues)
    ]
    shifts = dict.fromkeys(shift for run in runs for shift in run.under_shift)
    sides = sorted({side for run in runs for side in run.at_resolution})
    balanced = any(run.balanced is not None and abs(run.balanced - run.top1) > 1e-9 for run in runs)
    asked = [
        entry
        for entry in measurement("accuracy").quantities
        if entry.stored == "%" and not entry.listed and (balanced or entry.name != "balanced_accuracy")
    ]
    asked += [_score(f"{side} px", lambda run: run.at_resolution, side) for side in sides]
    asked += [_score(shift, lambda run: run.under_shift, shift) for shift in shifts]
    return [replace(entry, column="percent") for entry in asked]


def _score(place: str, scores: Callable[[AccuracyValues], Mapping[Any, float]], key: object) -> Quantity:
    """Top-1 under one of several conditions of the test images."""

    def read(run: AccuracyValues) -> float | None:
        return scores(run).get(key)

    return replace(quantity("accuracy"), name=f"accuracy, {place}", label=f"Top-1, {place}", read=read)
