"""The ladders of a study: error against MACs, the fitted laws, and layouts compared by their compute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from ablate.measurements.register import quantity
from ablate.report.accuracy import values_by_seed
from ablate.report.evidence import evidence
from ablate.report.results import Results
from ablate.run.facts import LadderFact
from ablate.statistics.ladder import (
    Ladder,
    LawCrossing,
    Multiplier,
    compute_multiplier,
    fit_ladders,
    law_crossing,
)

Losses = dict[str, dict[float, dict[int, float]]]


@dataclass(frozen=True)
class Compared:
    """Two layouts: how many times the compute of the first the second needs; and where their laws cross."""

    first: str
    second: str
    multiplier: Multiplier | None  # None without compute in common, or without a law
    crossing: LawCrossing | None
    note: str = ""


@dataclass(frozen=True)
class Fitted:
    """All ladders of a study: error in percent by MACs and seed, the laws, and every pair of layouts."""

    losses: Losses
    ladders: dict[str, Ladder]
    pairs: tuple[Compared, ...]


def fitted(results: Results) -> Fitted | None:
    """None where the study has no ladder with accuracies and MACs."""
    losses = ladder_losses(results)
    if not losses:
        return None
    ladders = fit_ladders(losses)
    order = sorted(
        ladders, key=lambda name: name != results.baseline
    )  # the baseline is the first of its pairs
    pairs = tuple(_compared(ladders, b, a) for a, b in combinations(order, 2))
    return Fitted(losses, ladders, pairs)


def ladder_losses(results: Results) -> Losses:
    """100 less top-1, by layout, MACs at the study's resolution, and seed.

    An error of 0 is left out: it has no logarithm.
    """
    fact = results.knows(LadderFact)
    losses: Losses = {}
    if fact is None or not results.planned("accuracy"):
        return losses
    for ladder in fact.ladders:
        sizes: dict[float, dict[int, float]] = {}
        for rung in ladder.rungs:
            macs = evidence(results, quantity("macs"), rung.layout)
            errors = {seed: 100 - top1 for seed, top1 in values_by_seed(results, rung.layout).items()}
            if isinstance(macs, float) and errors:
                sizes[macs] = {seed: error for seed, error in errors.items() if error > 0}
        if sizes:
            losses[ladder.base] = sizes
    return losses


def _compared(ladders: dict[str, Ladder], first: str, second: str) -> Compared:
    a, b = ladders[first], ladders[second]
    missing = [name for name in (first, second) if ladders[name].fit.law is None]
    if missing:
        return Compared(first, second, None, None, f"no law of {' and '.join(missing)}")
    try:
        return Compared(first, second, compute_multiplier(a, b), law_crossing(a, b))
    except ValueError as error:
        return Compared(first, second, None, None, str(error))


def multiplier_text(times: Multiplier) -> str:
    """`1.32 [1.10, 1.61]`; an infinite bound is one that the other layout never reaches."""
    numbers = [_number(value) for value in (times.value, times.low, times.high)]
    return numbers[0] if math.isnan(times.low) else f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.3g}"
