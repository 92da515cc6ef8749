"""The effects of a study's ablations on everything that it measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from ablate.measurements.register import measurement
from ablate.quantities import Quantity
from ablate.report.evidence import evidence, is_exact, samples
from ablate.report.results import Results, kind_quantities
from ablate.run.facts import AblationFact, DesignRecord
from ablate.study.ablation import DesignName
from ablate.study.ablation_design import Row
from ablate.study.ablation_effects import EffectRow, counted_effects, disagreement_rows, measured_effects
from ablate.study.ablation_layouts import Ablation


@dataclass(frozen=True)
class Effects:
    """The effects of one ablation on one quantity; `ratio`: they are factors, else differences."""

    ablation: Ablation
    quantity: Quantity
    rows: tuple[EffectRow, ...]
    ratio: bool
    exact: bool


def ablations(results: Results) -> tuple[Ablation, ...]:
    """The study's ablations, without their layouts."""
    fact = results.knows(AblationFact)
    return tuple(map(_opened, fact.ablations)) if fact is not None else ()


def quantities_of(results: Results) -> list[Quantity]:
    """The quantities whose effects can be given with an error, or that have none: counted ones, those that
    are repeated over seeds, and latency."""
    return [
        wanted
        for kind in results.kinds
        for wanted in kind_quantities(kind)
        if wanted.better != "neither" and (is_exact(wanted) or wanted.repeats or wanted.name == "latency")
    ]


def all_effects(results: Results) -> list[Effects]:
    """Every ablation by every quantity that has values: those above, and the scores of runs that were asked
    for more than one, where they say something else than the first."""
    more = [
        wanted
        for kind in results.kinds
        for wanted in measurement(kind).quantities
        if wanted.repeats and wanted.stored == "%" and not wanted.listed
    ]
    gathered = []
    for ablation in ablations(results):
        known: list[list[float]] = []
        for wanted in (*quantities_of(results), *more):
            rows = effects_on(results, ablation, wanted)
            effects = [round(row.effect, 9) for row in rows]
            if all(map(math.isnan, effects)) or (wanted in more and effects in known):
                continue
            known.append(effects)
            gathered.append(Effects(ablation, wanted, rows, wanted.name == "latency", is_exact(wanted)))
    return gathered


def effects_on(results: Results, ablation: Ablation, wanted: Quantity) -> tuple[EffectRow, ...]:
    """The effects of one ablation on one quantity, in its stored unit; factors for latency."""
    lower = wanted.better == "lower"
    if is_exact(wanted):
        known = {name: evidence(results, wanted, name) for name in ablation.names}
        values = {name: value for name, value in known.items() if isinstance(value, float)}
        return counted_effects(ablation, values, lower_is_better=lower)
    return measured_effects(
        ablation,
        samples(results, wanted, ablation.names),
        margin_of(results, wanted),
        lower_is_better=lower,
        ratio=wanted.name == "latency",
    )


def all_disagreements(results: Results) -> list[Effects]:
    """Where a change does more, or less, alone than last: a leave-one-out and an add-one of the same base."""
    gathered = []
    for alone in ablations(results):
        for last in ablations(results):
            for wanted in quantities_of(results):
                if wanted.repeats:
                    names = tuple(dict.fromkeys((*alone.names, *last.names)))
                    rows = disagreement_rows(alone, last, samples(results, wanted, names))
                    if any(not math.isnan(row.effect) for row in rows):
                        gathered.append(Effects(alone, wanted, rows, ratio=False, exact=False))
    return gathered


def margin_of(results: Results, wanted: Quantity) -> float | None:
    """The margin that the study declares for a quantity: points of accuracies, a share of latencies."""
    if wanted.name == "latency":
        return results.fact.equivalent_ratio
    return results.fact.equivalent_within if wanted.stored == "%" else None


def _opened(record: DesignRecord) -> Ablation:
    return Ablation(
        record.base,
        cast(DesignName, record.design),
        record.changes,
        tuple(Row(row.made, row.stage) for row in record.rows),
        {},
        record.aliases,
        record.name,
    )
