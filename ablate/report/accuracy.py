"""Accuracy over seeds: mean with its interval, and the paired difference to the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ablate.measurements.register import quantity
from ablate.report.results import Results
from ablate.statistics.seeds import (
    Difference,
    Summary,
    paired_difference,
    pooled_sd,
    resolvable_difference,
    summarize,
)


@dataclass(frozen=True)
class Accuracy:
    """One layout's top-1 over its seeds, in percent; differences in percentage points, paired by seed."""

    by_seed: dict[int, float]
    statuses: tuple[str, ...]
    reasons: tuple[str, ...]
    summary: Summary | None  # None when no seed has a result
    difference: Difference | None  # to the baseline; None for itself, or without a common seed

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

    @property
    def difference_half_width(self) -> float:
        """Half the 95 % interval of the difference; NaN with fewer than two common seeds."""
        if self.difference is None or self.difference.low is None:
            return math.nan
        return self.difference.mean - self.difference.low

    def raw(self) -> dict[str, Any]:
        """The entries of the CSV file, in full precision."""
        return {
            "top1_percent_mean": self.mean,
            "top1_percent_ci95_half_width": self.half_width,
            "seeds_finished": self.finished,
            "seeds_planned": self.planned,
            "top1_difference_points": self.difference.mean if self.difference else math.nan,
            "top1_difference_points_ci95_half_width": self.difference_half_width,
            "top1_difference_resolved": self.difference.resolved if self.difference else None,
        }


def accuracies(results: Results) -> dict[str, Accuracy]:
    """The accuracy of every layout, by its name; empty when the study measures none."""
    if not results.planned("accuracy"):
        return {}
    top1 = quantity("accuracy")
    seeds: dict[str, dict[int, float]] = {}
    for name in results.layouts:
        pairs = [
            (record.at("seed"), top1.value(record.values)) for record in results.done("accuracy", layout=name)
        ]
        seeds[name] = {int(seed): value for seed, value in pairs if not math.isnan(value)}
    base = seeds.get(results.baseline or "", {})
    found = {}
    for name, ours in seeds.items():
        records = results.planned("accuracy", layout=name)
        comparable = name != results.baseline and bool(ours.keys() & base.keys())
        found[name] = Accuracy(
            ours,
            tuple(record.status for record in records),
            tuple(dict.fromkeys(record.reason for record in records if record.failure is not None)),
            summarize(list(ours.values())) if ours else None,
            paired_difference(ours, base) if comparable else None,
        )
    return found


def resolvable_points(results: Results) -> tuple[float, int] | None:
    """The difference in percentage points that the study's seeds can resolve, and their number.

    The spread is pooled over the layouts. None when no layout has two finished seeds.
    """
    known = accuracies(results).values()
    seeds = max((accuracy.finished for accuracy in known), default=0)
    spread = pooled_sd([list(accuracy.by_seed.values()) for accuracy in known])
    points = None if spread is None else resolvable_difference(spread, seeds)
    return None if points is None else (points, seeds)
