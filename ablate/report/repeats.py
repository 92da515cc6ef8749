"""Any quantity over seeds: mean with its interval, and the difference to the baseline, paired by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ablate.quantities import Quantity
from ablate.report.numbers import signed, with_error
from ablate.report.results import Results
from ablate.report.table import Cell, failed, number
from ablate.run.ledger import AnyRecord
from ablate.statistics.seeds import (
    Difference,
    Summary,
    paired_difference,
    pooled_sd,
    resolvable_difference,
    summarize,
)


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

    def difference(self, quantity: Quantity, baseline: Repeats | None) -> Difference | None:
        """To the baseline, over the seeds that both have; None for itself."""
        if baseline is None or self.is_baseline:
            return None
        ours, theirs = self.by_seed(quantity), baseline.by_seed(quantity)
        return paired_difference(ours, theirs) if ours.keys() & theirs.keys() else None

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

    def difference_cell(self, quantity: Quantity, baseline: Repeats | None) -> Cell:
        """The paired difference with its error; `not resolved` where its interval holds zero."""
        if self.is_baseline:
            return Cell("0", sort=0.0)
        difference = self.difference(quantity, baseline)
        if difference is None:
            return Cell("–")
        half = None if difference.low is None else difference.mean - difference.low
        text = signed(difference.mean, half)
        if not difference.resolved:
            return Cell("not resolved", sort=difference.mean, tone="tie", hint=text)
        return number(difference.mean, text)

    def raw(self, quantity: Quantity, baseline: Repeats | None) -> dict[str, float | int | bool | None]:
        """The entries of the CSV file, in full precision."""
        summary, difference = self.summary(quantity), self.difference(quantity, baseline)
        return {
            f"{quantity.column}_mean": None if summary is None else summary.mean,
            f"{quantity.column}_ci95_half_width": None if summary is None else summary.half_width,
            f"{quantity.column}_difference": None if difference is None else difference.mean,
            f"{quantity.column}_difference_low": None if difference is None else difference.low,
            f"{quantity.column}_difference_high": None if difference is None else difference.high,
            f"{quantity.column}_difference_resolved": None if difference is None else difference.resolved,
        }


def repeats_of(results: Results, kind: str) -> dict[str, Repeats]:
    """Every layout's cells of a measurement by its name, in the order of the study; empty without any."""
    return {
        name: Repeats(name, tuple(records), name == results.baseline)
        for name in results.layouts
        if (records := results.planned(kind, layout=name))
    }


def resolvable(repeats: dict[str, Repeats], quantity: Quantity) -> str:
    """A sentence on the difference that these seeds can resolve, the spread pooled over the layouts."""
    seeds = max((len(own.by_seed(quantity)) for own in repeats.values()), default=0)
    spread = pooled_sd([list(own.by_seed(quantity).values()) for own in repeats.values()])
    points = None if spread is None else resolvable_difference(spread, seeds)
    if points is None:
        return f"One seed tells no difference in {quantity.label} from chance."
    return f"{seeds} seeds resolve differences in {quantity.label} of {points:.2g} points."
