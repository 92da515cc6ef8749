"""What the chosen seeds can decide, said before anything runs: least difference, least margin, seeds needed.

The spread of paired differences comes from runs on the same data set that are at hand, the study's own ledger
and those beside it; at the same budget where there are enough of them. Without any, from a named default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import AblateError
from ablate.measurements.auto_seeds import AutoSeeds
from ablate.measurements.register import quantity
from ablate.run.ledger import FILE, AnyRecord, Ledger
from ablate.statistics.planning import (
    decidable,
    seeds_for_difference,
    seeds_for_margin,
    spread_from_one,
    spread_of_differences,
)
from ablate.study.study import Study

DEFAULT_SD = 0.2
"""Points: one layout's spread over seeds on Fashion-MNIST after a short schedule, 0.12 to 0.20 there."""
_WANTED = (0.5, 0.2)
_ENOUGH = 4  # values, at the least, that a spread is taken from
_MOST = 50.0  # points; what is found only where it is larger needs no study

Samples = dict[str, dict[Any, float]]


@dataclass(frozen=True)
class Spread:
    """The standard deviation of paired differences in points, and in words where it comes from."""

    sd: float
    source: str


def decision_lines(study: Study, folder: Path) -> list[str]:
    """What the study's seeds can decide, a line each; nothing for a study without accuracies to compare.

    `folder` is where the study's results go; ledgers in folders beside it are read too, and never written.
    """
    accuracy = getattr(study.measure, "accuracy", None)
    if accuracy is None or len(study.layouts) < 2:
        return []
    spread = known_spread(study, folder)
    comparisons = len(study.layouts) - 1
    margin = study.report.equivalent_within
    lines = [f"spread of paired differences: {spread.sd:.2g} points ({spread.source})"]
    seeds = accuracy.seeds
    wanted: tuple[float, ...] = _WANTED
    if isinstance(seeds, AutoSeeds):
        looks = ", ".join(map(str, seeds.looks.seeds))
        lines.append(
            f"seeds are added until every comparison is decided, equivalent within "
            f"{margin or seeds.difference:g} points; looks at {looks} seeds, paid for by alpha spending "
            "(O'Brien-Fleming)"
        )
        count = seeds.most
    else:
        count = seeds
    able = decidable(spread.sd, count, comparisons=comparisons)
    family = "1 comparison" if comparisons == 1 else f"{comparisons} comparisons, Holm"
    if able.difference is None or able.margin is None:
        lines.append(f"one seed ({family}) decides nothing: take 3 or more")
    elif able.difference > _MOST:
        lines.append(f"{count} seeds ({family}) decide nothing: take more")
    else:
        lines.append(
            f"{count} seeds ({family}) resolve a difference of {able.difference:.2g} points, and show two "
            f"equal layouts to be equivalent within {able.margin:.2g} points, in four of five studies"
        )
    needed = [
        f"{least} for {difference:g} points"
        for difference in wanted
        if (least := seeds_for_difference(spread.sd, difference, comparisons=comparisons)) is not None
    ]
    if needed:
        lines.append(f"seeds needed: {', '.join(needed)}")
    if margin is not None and not isinstance(seeds, AutoSeeds):
        least = seeds_for_margin(spread.sd, margin)
        if able.margin is None or able.margin > margin:
            lines.append(f"equivalence within {margin:g} points needs {least or 'over 1000'} seeds")
    return lines


def known_spread(study: Study, folder: Path) -> Spread:
    """The spread on the study's data set, from ledgers at hand, else the default."""
    accuracy = study.measure.accuracy
    same: Samples = {}
    other: Samples = {}
    used: dict[str, None] = {}
    for name, record in _runs(folder, accuracy.dataset):
        budgets = ("epochs", "images", "core_seconds", "subset")
        alike = all(record.at(entry) == getattr(accuracy, entry) for entry in budgets)
        place = "; ".join(f"{entry}={record.at(entry)}" for entry in (*budgets, "recipe", "resolution"))
        value = quantity("accuracy").value(record.values)
        if math.isfinite(value):
            for group in (same, other) if alike else (other,):
                group.setdefault(f"{name}/{place}/{record.layout}", {})[name, place, record.at("seed")] = (
                    value
                )
            used[name] = None
    for group, budget in ((same, "the same budget"), (other, "any budget")):
        sd = spread_of_differences(group) if sum(map(len, group.values())) >= _ENOUGH else None
        if sd:
            runs = sum(map(len, group.values()))
            where = ", ".join(used)
            return Spread(sd, f"{runs} runs on {accuracy.dataset} with {budget}, in {where}")
    return Spread(
        spread_from_one(DEFAULT_SD),
        f"default: {DEFAULT_SD:g} points a layout, seeds taken to share nothing; no runs on "
        f"{accuracy.dataset} are at hand",
    )


def _runs(folder: Path, dataset: str) -> Iterator[tuple[str, AnyRecord]]:
    """The finished accuracy cells on a data set, of the study's ledger and those beside it."""
    for path in sorted({folder / FILE, *folder.parent.glob(f"*/{FILE}")}):
        if not path.is_file():
            continue
        try:
            with Ledger(path, read_only=True) as ledger:
                records = ledger.records()
        except AblateError:  # another study's damaged ledger is no matter here
            continue
        for record in records:
            if record.kind == "accuracy" and record.values is not None and record.at("dataset") == dataset:
                yield path.parent.name, record
