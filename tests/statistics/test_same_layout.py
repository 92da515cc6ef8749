"""A/A: one layout under two names is called different in at most 5 % of 2,000 simulated studies, by every
rule.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ablate.statistics import Comparison, compare, compare_ratios, correct
from ablate.statistics.effects import factorial_effects
from ablate.statistics.one_at_a_time import add_one, cumulative, disagreements, leave_one_out
from ablate.statistics.seeds import unpaired_difference

STUDIES = 2000
LIMIT = 0.05 + 2 * (0.05 * 0.95 / STUDIES) ** 0.5  # two standard errors of the simulation itself: 5.97 %


def layouts(count: int, seeds: int, study: int, *, step: float = 0.0) -> list[dict[int, float]]:
    """Accuracies of one layout under several names: a seed moves all alike; `step` rounds to whole images."""
    random = np.random.default_rng([study, seeds, count])
    values = 90 + random.normal(0, 0.3, seeds) + random.normal(0, 0.2, (count, seeds))
    if step:
        values = np.round(values / step) * step
    return [dict(enumerate(row.tolist())) for row in values]


def share(claims: Callable[[int], bool]) -> float:
    return float(np.mean([claims(study) for study in range(STUDIES)]))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("margin", [None, 0.2])
def test_compare(seeds: int, margin: float | None):
    def claims(study: int) -> bool:
        a, b = layouts(2, seeds, study)
        return compare(a, b, margin).verdict in ("better", "worse")

    assert share(claims) <= LIMIT


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_compare_where_accuracies_go_in_steps_of_an_image(seeds: int):
    """360 test images: steps of 0.28 points, so that differences without any scatter are common."""

    def claims(study: int) -> bool:
        a, b = layouts(2, seeds, study, step=100 / 360)
        return compare(a, b).resolved

    assert share(claims) <= LIMIT


def test_ratios_of_times():
    def claims(study: int) -> bool:
        a, b = layouts(2, 5, study)
        times = [{key: float(np.exp(value - 90)) for key, value in sample.items()} for sample in (a, b)]
        return compare_ratios(*times).resolved

    assert share(claims) <= LIMIT


def test_unpaired():
    def claims(study: int) -> bool:
        a, b = layouts(2, 4, study)
        difference = unpaired_difference(list(a.values()), list(b.values()))
        return (
            difference.low is not None
            and difference.high is not None
            and not difference.low <= 0 <= difference.high
        )

    assert share(claims) <= LIMIT


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_family_of_seven(seeds: int):
    """Holm: any false claim among seven comparisons to one baseline; without it, many more."""
    corrected = plain = 0
    for study in range(STUDIES):
        base, *others = layouts(8, seeds, study)
        family = {str(i): compare(other, base) for i, other in enumerate(others)}
        corrected += any(item.resolved for item in correct(family).values())
        plain += any(item.resolved for item in family.values())
    assert corrected / STUDIES <= LIMIT
    assert plain / STUDIES > 2 * LIMIT


def _any(family: dict[str, Comparison]) -> bool:
    return any(item.resolved for item in family.values())


def test_single_changes_and_ladders():
    names = "abcdefg"
    counts = dict.fromkeys(("leave-one-out", "add-one", "cumulative", "disagreements"), 0)
    for study in range(STUDIES):
        base, full, *rest = layouts(16, 3, study)
        alone = dict(zip(names, rest[:7], strict=True))
        without = dict(zip(names, rest[7:], strict=True))
        counts["leave-one-out"] += _any(leave_one_out(base, alone))
        counts["add-one"] += _any(add_one(full, without))
        steps = cumulative(base, list(alone.items()))
        counts["cumulative"] += any(step.effect.resolved for step in steps)
        counts["disagreements"] += _any(disagreements(base, alone, full, without))
    assert {name: count for name, count in counts.items() if count / STUDIES > LIMIT} == {}


def test_factorial_effects():
    """A half design of four changes: four main effects and three groups of interactions, one family."""
    half = [frozenset(name for i, name in enumerate("abc") if row >> i & 1) for row in range(8)]
    half = [made | {"d"} if len(made) % 2 else made for made in half]

    def claims(study: int) -> bool:
        effects = factorial_effects(dict(zip(half, layouts(8, 3, study), strict=True)))
        return any(effect.p_corrected <= 0.05 for effect in effects)

    assert share(claims) <= LIMIT
