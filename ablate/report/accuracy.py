"""Accuracy over seeds: mean with its interval, and the paired difference to the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ablate.measurements.register import quantity
from ablate.report.comparisons import compare_seeds, comparison_raw
from ablate.report.results import Results
from ablate.statistics.compare import Comparison, correct
from ablate.statistics.planning import least_difference, spread_of_differences
from ablate.statistics.seeds import Summary, summarize


@dataclass(frozen=True)
class Accuracy:
    """One layout's top-1 over its seeds, in percent; differences in percentage points, paired by seed."""

    by_seed: dict[int, float]
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]
    summary: Summary | None  # None when no seed has a result
    difference: Comparison | None  # to the baseline; None for itself, or without a common seed

    @property
    def planned(self) -> int:
        """Number of seeds in the plan."""
        return len(self.statuses)

    @property
    def finished(self) -> int:
        """Number of seeds with a result."""
        return len(self.by_seed)

    @property
    def seeds_text(self) -> str:
        """`5`, or `4 of 5` when a seed has no result."""
        return str(self.planned) if self.finished == self.planned else f"{self.finished} of {self.planned}"

    @property
    def mean(self) -> float:
        """Mean over the finished seeds; NaN without one."""
        return self.summary.mean if self.summary else math.nan

    @property
    def half_width(self) -> float:
        """Half the 95 % interval of the mean; NaN with fewer than two seeds."""
        half = self.summary.half_width if self.summary else None
        return math.nan if half is None else half

    def raw(self) -> dict[str, Any]:
        """The entries of the CSV file, in full precision."""
        return {
            "top1_percent_mean": self.mean,
            "top1_percent_ci95_half_width": self.half_width,
            "seeds_finished": self.finished,
            "seeds_planned": self.planned,
            "top1_difference_points": self.difference.mean if self.difference else math.nan,
        } | comparison_raw(self.difference, "top1_difference")


def accuracies(results: Results) -> dict[str, Accuracy]:
    """The accuracy of every layout, by its name; empty when the study measures none."""
    if not results.planned("accuracy"):
        return {}
    seeds = {name: values_by_seed(results, name) for name in results.layouts}
    base = seeds.get(results.baseline or "", {})
    differences = correct(
        {
            name: compare_seeds(results, values, base)
            for name, values in seeds.items()
            if name != results.baseline and values.keys() & base.keys()
        }
    )
    by_layout = {}
    for name, values in seeds.items():
        records = results.planned("accuracy", layout=name)
        by_layout[name] = Accuracy(
            values,
            tuple(record.status for record in records),
            tuple(dict.fromkeys(record.reason for record in records if record.failure is not None)),
            summarize(list(values.values())) if values else None,
            differences.get(name),
        )
    return by_layout


def values_by_seed(results: Results, layout: str) -> dict[int, float]:
    """The top-1 of a layout's finished runs, by seed."""
    top1 = quantity("accuracy")
    pairs = [
        (record.at("seed"), top1.value(record.values)) for record in results.done("accuracy", layout=layout)
    ]
    return {int(seed): value for seed, value in pairs if not math.isnan(value)}


def resolvable_points(results: Results) -> tuple[float, int, int] | None:
    """The least difference in points that the study's seeds resolve in four of five studies; the seeds, and
    the number of comparisons that it is corrected for.

    From the spread of the paired differences. None when no two layouts have two finished seeds in common.
    """
    known = {name: accuracy.by_seed for name, accuracy in accuracies(results).items() if accuracy.by_seed}
    seeds = max((len(sample) for sample in known.values()), default=0)
    spread = spread_of_differences(known) if len(known) > 1 else None
    comparisons = max(len(known) - 1, 1)
    points = None if not spread else least_difference(spread, seeds, comparisons=comparisons)
    return None if points is None else (points, seeds, comparisons)
