"""What a number of seeds can decide, before anything runs: the least difference, and the least margin.

Both are for paired seeds, so what counts is the spread of the *differences* of two layouts, which is smaller
than the spread of one layout as far as a seed moves both alike. A study finds a difference, or shows an
equivalence, only with some chance: `power`, 80 % unless another is asked for. With 50 % the least difference
is about half the interval, `t(n - 1) sd / sqrt(n)`, which is what a single study's interval looks like.

With `comparisons` in one family, each test is made at 5 % over their number: what Holm's correction asks of
the smallest p value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import chdtri, nctdtr, ndtr

from ablate.statistics.student import ALPHA, t_quantile

K = TypeVar("K", bound=Hashable)
POWER = 0.8


@dataclass(frozen=True)
class Decidable:
    """What `seeds` pairs can decide, in the unit of `sd`, the standard deviation of the paired differences.

    `difference`: a true difference of this size is resolved in a share `power` of all studies. `margin`: two
    equal layouts are shown to be equivalent within it as often. None where one seed decides nothing.
    """

    seeds: int
    sd: float
    comparisons: int
    power: float
    difference: float | None
    margin: float | None


def decidable(sd: float, seeds: int, *, comparisons: int = 1, power: float = POWER) -> Decidable:
    """The least difference and the least margin. Raises `ValueError` for a spread or a power out of range."""
    return Decidable(
        seeds,
        sd,
        comparisons,
        power,
        least_difference(sd, seeds, comparisons=comparisons, power=power),
        least_margin(sd, seeds, power=power),
    )


def least_difference(sd: float, seeds: int, *, comparisons: int = 1, power: float = POWER) -> float | None:
    """The least true difference that the two-sided paired t test resolves with chance `power`.

    Solves the noncentral t distribution; the far side, which rejects for the wrong reason, is not counted.
    """
    _check(sd, power)
    if seeds < 2:
        return None
    bound = t_quantile(seeds - 1, 1 - ALPHA / comparisons)
    shift = _solve(lambda at: 1 - float(nctdtr(seeds - 1, at, bound)), power)
    return shift * sd / math.sqrt(seeds)


def least_margin(sd: float, seeds: int, *, power: float = POWER) -> float | None:
    """The least margin within which two equal layouts are found equivalent with chance `power`.

    Two one-sided t tests at 5 %. The chance is the mean, over the distribution of the sample's own spread, of
    that of a mean difference inside `margin - t s / sqrt(n)`.
    """
    _check(sd, power)
    if seeds < 2:
        return None
    bound = t_quantile(seeds - 1, 1 - 2 * ALPHA)
    levels = (np.arange(2000) + 0.5) / 2000
    spreads = np.sqrt(chdtri(seeds - 1, levels) / (seeds - 1))  # s / sd at equally likely places

    def chance(margin: float) -> float:
        room = np.maximum(margin - bound * spreads, 0.0)
        return float(np.mean(2 * ndtr(room) - 1))

    return _solve(chance, power) * sd / math.sqrt(seeds)


def seeds_for_difference(
    sd: float, difference: float, *, comparisons: int = 1, power: float = POWER, most: int = 1000
) -> int | None:
    """The least number of paired seeds that resolves a difference with chance `power`; None beyond `most`."""
    return _least_seeds(
        lambda seeds: least_difference(sd, seeds, comparisons=comparisons, power=power), difference, most
    )


def seeds_for_margin(sd: float, margin: float, *, power: float = POWER, most: int = 1000) -> int | None:
    """The least number of paired seeds that shows an equivalence with chance `power`; None beyond `most`."""
    return _least_seeds(lambda seeds: least_margin(sd, seeds, power=power), margin, most)


def spread_of_differences(values: Mapping[str, Mapping[K, float]]) -> float | None:
    """The standard deviation of paired differences, pooled over layouts, from `{layout: {seed: value}}`.

    The residual of value = layout + seed, by least squares, times the square root of 2. None when the seeds
    in common leave no degree of freedom.
    """
    samples = [sample for sample in values.values() if sample]
    columns = {seed: column for column, seed in enumerate(dict.fromkeys(seed for s in samples for seed in s))}
    y, matrix = [], []
    for sample in samples:  # less its layout's mean: then a column a seed is left, however many layouts
        known = np.array(list(sample.values()))
        seeds = np.zeros((len(sample), len(columns)))
        seeds[np.arange(len(sample)), [columns[seed] for seed in sample]] = 1
        y.append(known - known.mean())
        matrix.append(seeds - seeds.mean(0))
    if not samples:
        return None
    right, left = np.concatenate(y), np.concatenate(matrix)
    solution, _, rank, _ = np.linalg.lstsq(left, right, rcond=None)
    freedom = len(right) - len(samples) - int(rank)
    if freedom < 1:
        return None
    residual = right - left @ solution
    spread = math.sqrt(2 * float(residual @ residual) / freedom)
    size = max(abs(value) for sample in samples for value in sample.values())
    return spread if spread > 1e-12 * size else 0.0  # less is rounding


def spread_from_one(sd: float, correlation: float = 0.0) -> float:
    """The same from the spread of single layouts, where no differences are known: `sd sqrt(2 (1 - r))`.

    With the default, seeds are taken to share nothing, which asks for too many rather than too few.
    """
    return sd * math.sqrt(2 * (1 - correlation))


def _least_seeds(least: Callable[[int], float | None], wanted: float, most: int) -> int | None:
    """Halving the range: more seeds always decide more."""
    low, high = 1, 2
    while (reached := least(high)) is None or reached > wanted:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        reached = least(middle)
        low, high = (low, middle) if reached is not None and reached <= wanted else (middle, high)
    return high


def _solve(chance: Callable[[float], float], power: float) -> float:
    """Where a rising chance reaches the power."""
    low, high = 0.0, 1.0
    while chance(high) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < power else (low, middle)
    return high


def _check(sd: float, power: float) -> None:
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"a spread is finite and not negative, got {sd}")
    if not 0 < power < 1:
        raise ValueError(f"a power lies between 0 and 1, got {power}")
