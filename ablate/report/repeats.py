"""Any quantity over seeds: mean with its interval, and the difference to the baseline, paired by seed.

The differences of one quantity are tested and corrected together, by the rule of `report.comparisons`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablate.quantities import Quantity
from ablate.report.comparisons import comparison_raw
from ablate.report.numbers import with_error
from ablate.report.results import Results
from ablate.report.table import Cell, failed, number
from ablate.run.records import plain
from ablate.run.rows import AnyRecord
from ablate.statistics.compare import Comparison, compare, correct
from ablate.statistics.planning import least_difference, spread_of_differences
from ablate.statistics.seeds import Summary, summarize


@dataclass(frozen=True)
class Repeats:
    """One layout's cells of a measurement that differ in the seed alone, in the order of the plan."""

    layout: str
    records: tuple[AnyRecord, ...]
    is_baseline: bool = False

    def by_seed(self, quantity: Quantity) -> dict[int, float]:
        """The displayed numbers of the seeds that have one."""
        pairs = (
            (int(record.at("seed") or 0), quantity.value(record.values) / quantity.scale)
            for record in self.records
            if record.values is not None
        )
        return {seed: value for seed, value in pairs if not math.isnan(value)}

    def summary(self, quantity: Quantity) -> Summary | None:
        """Mean and interval; None without a finished seed."""
        values = list(self.by_seed(quantity).values())
        return summarize(values) if values else None

    def mean_cell(self, quantity: Quantity) -> Cell:
        """Mean with its error, or why there is none."""
        summary = self.summary(quantity)
        if summary is None:
            if any(record.values is not None for record in self.records):
                return Cell("–")
            return failed(
                [record.status for record in self.records], [record.reason for record in self.records]
            )
        return number(summary.mean, with_error(summary.mean, summary.half_width, fallback_digits=3))

    def seeds_cell(self, quantity: Quantity) -> Cell:
        """`3`, or `2 of 3` where a seed has no number."""
        done, planned = len(self.by_seed(quantity)), len(self.records)
        reasons = "; ".join(dict.fromkeys(record.reason for record in self.records if record.reason))
        text = str(planned) if done == planned else f"{done} of {planned}"
        return Cell(text, sort=float(done), tone="" if done == planned else "failed", hint=reasons)

    def raw(self, quantity: Quantity, difference: Comparison | None = None) -> dict[str, object]:
        """The entries of the CSV file, in full precision."""
        summary, name = self.summary(quantity), f"{quantity.column}_difference"
        own: dict[str, object] = {
            f"{quantity.column}_mean": None if summary is None else summary.mean,
            f"{quantity.column}_ci95_half_width": None if summary is None else summary.half_width,
            name: None if difference is None else difference.mean,
        }
        return own | comparison_raw(difference, name)


def repeats_of(results: Results, kind: str, **differs: object) -> dict[str, Repeats]:
    """Every layout's cells of a measurement by its name, in the order of the study; empty without any.

    They are those of the condition that was planned first for it, with the entries that are given instead.
    """
    repeats = {}
    for name in results.layouts:
        planned = results.planned(kind, layout=name)
        meant = without_seed(planned[0]) | differs if planned else {}
        records = tuple(record for record in planned if without_seed(record) == meant)
        if records:
            repeats[name] = Repeats(name, records, name == results.baseline)
    return repeats


def without_seed(record: AnyRecord) -> dict[str, object]:
    """A record's condition, all but its seed and that of a run that it starts from."""
    seedless: dict[str, object] = _seedless(plain(record.condition))
    return seedless


def _seedless(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _seedless(entry) for name, entry in value.items() if name != "seed"}


def differences(
    repeats: Mapping[str, Repeats],
    quantity: Quantity,
    margin: float | None = None,
    against: Mapping[str, Repeats] | None = None,
) -> dict[str, Comparison]:
    """Every layout's difference to the baseline, or to its own cells `against`, corrected together (Holm).

    By the layout's name; none for the baseline itself, nor without a common seed. `margin` is what counts as
    equal, in the quantity's displayed unit.
    """
    base = next((own for own in repeats.values() if own.is_baseline), None)
    compared = {}
    for name, own in repeats.items():
        other = against.get(name) if against is not None else None if own.is_baseline else base
        left, right = own.by_seed(quantity), other.by_seed(quantity) if other else {}
        if left.keys() & right.keys():
            compared[name] = compare(left, right, margin, lower_is_better=quantity.better == "lower")
    return correct(compared)


def resolvable(repeats: dict[str, Repeats], quantity: Quantity) -> str:
    """A sentence on the least difference that these seeds resolve, by the spread of the paired ones."""
    known = {name: values for name, own in repeats.items() if (values := own.by_seed(quantity))}
    seeds = max((len(values) for values in known.values()), default=0)
    spread = spread_of_differences(known) if len(known) > 1 else None
    comparisons = max(len(known) - 1, 1)
    points = None if not spread else least_difference(spread, seeds, comparisons=comparisons)
    if spread == 0 and seeds > 1:
        return (
            f"The seeds differ in {quantity.label} by the same amount for every layout: no spread is known."
        )
    if points is None:
        return f"One seed tells no difference in {quantity.label} from chance."
    corrected = f", corrected for {comparisons} comparisons" if comparisons > 1 else ""
    return (
        f"{seeds} seeds resolve differences in {quantity.label} of {points:.2g} points in four of five such "
        f"studies{corrected}."
    )
