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
from ablate.measurements.register import measurement
from ablate.quantities import Quantity
from ablate.run.ledger import FILE, Ledger
from ablate.run.rows import AnyRecord
from ablate.statistics.planning import (
    decidable,
    seeds_for_difference,
    seeds_for_margin,
    spread_from_one,
    spread_of_differences,
)
from ablate.study.measure import settings_of
from ablate.study.study import Study

DEFAULT_SD = 0.2
"""Points: one layout's spread over seeds on Fashion-MNIST after a short schedule, 0.12 to 0.20 there."""
_DEFAULT_KIND = "accuracy"
_BUDGETS = (
    "epochs", "images", "core_seconds", "steps", "subset", "train_images", "schedule", "size", "freeze",
)  # fmt: skip
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
    """What the study's seeds can decide, a line each; nothing for a study without scores to compare.

    `folder` is where the study's results go; ledgers in folders beside it are read too, and never written.
    """
    if len(study.layouts) < 2:
        return []
    scored = [
        (score, settings)
        for kind, settings in settings_of(study.measure).items()
        if (score := _score(kind)) is not None and hasattr(settings, "dataset") and hasattr(settings, "seeds")
    ]
    lines = []
    for score, settings in scored:
        texts = _lines(study, score, settings, folder)
        lines += [f"{score.label}: {line}" for line in texts] if len(scored) > 1 else texts
    return lines


def _score(kind: str) -> Quantity | None:
    """The quantity of a measurement that layouts are compared by over seeds, in percent."""
    listed = (quantity for quantity in measurement(kind).quantities if quantity.repeats and quantity.listed)
    return next((quantity for quantity in listed if quantity.stored == "%"), None)


def _lines(study: Study, score: Quantity, settings: Any, folder: Path) -> list[str]:
    spread = known_spread(score, settings, folder)
    if spread is None:
        return []
    comparisons = len(study.layouts) - 1
    margin = study.report.equivalent_within
    lines = [f"spread of paired differences: {spread.sd:.2g} points ({spread.source})"]
    seeds = settings.seeds
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


def known_spread(score: Quantity, settings: Any, folder: Path) -> Spread | None:
    """The spread of a score on a measurement's data set, from ledgers at hand: the study's own runs with the
    same budget, else all with it, else all on the set; else the default, where there is one."""
    own: Samples = {}
    same: Samples = {}
    other: Samples = {}
    used: dict[str, None] = {}
    budgets = [name for name in _BUDGETS if name in type(settings).model_fields]
    for path, record in _runs(folder, score.kind, settings.dataset):
        alike = all(record.at(entry) == getattr(settings, entry) for entry in budgets)
        place = "; ".join(f"{entry}={record.at(entry)}" for entry in (*budgets, "recipe", "resolution"))
        value = score.value(record.values)
        if not math.isfinite(value):
            continue
        name = path.name
        groups = [other]
        if alike:
            groups += [same, own] if path == folder else [same]
        for group in groups:
            group.setdefault(f"{name}/{place}/{record.layout}", {})[name, place, record.at("seed")] = value
        used[name] = None
    for group, budget in ((own, "the same budget"), (same, "the same budget"), (other, "any budget")):
        sd = spread_of_differences(group) if sum(map(len, group.values())) >= _ENOUGH else None
        if sd:
            runs = sum(map(len, group.values()))
            where = folder.name if group is own else ", ".join(used)
            return Spread(sd, f"{runs} runs on {settings.dataset} with {budget}, in {where}")
    if score.kind != _DEFAULT_KIND:
        return None
    return Spread(
        spread_from_one(DEFAULT_SD),
        f"default: {DEFAULT_SD:g} points a layout, seeds taken to share nothing; no runs on "
        f"{settings.dataset} are at hand",
    )


def _runs(folder: Path, kind: str, dataset: str) -> Iterator[tuple[Path, AnyRecord]]:
    """The finished cells of a kind on a data set, of the study's ledger and those beside it."""
    for path in sorted({folder / FILE, *folder.parent.glob(f"*/{FILE}")}):
        if not path.is_file():
            continue
        try:
            with Ledger(path, read_only=True) as ledger:
                records = ledger.records()
        except AblateError:  # another study's damaged ledger is no matter here
            continue
        for record in records:
            if record.kind == kind and record.values is not None and record.at("dataset") == dataset:
                yield path.parent, record
