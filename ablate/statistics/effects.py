"""Effects of changes that were made together in several combinations, by least squares on paired seeds.

The runs of a two-level factorial, whole or half, with or without missing cells, are fitted by

    value = seed + sum_i effect_i x_i + sum_{i<j} interaction_ij x_i x_j + error,   x = +1/2 made, -1/2 not,

where every seed is a block of its own, so that what a seed does to all layouts alike cancels. `effect_i` is
then the difference that the change makes on average over the other changes, and `interaction_ij` is how
much more the change i does where j is made than where it is not. Intervals and p values are those of
ordinary least squares with the pooled residual: a change is taken to do the same under every seed, up to the
scatter of single runs; where it does not, the intervals are too narrow. Terms that the runs cannot tell apart
(aliases, as in a half design) are reported as one, under the first of their names.

Sources: Box, Hunter & Hunter, Statistics for Experimenters, chapters 5 and 6; the half difference of that
book is half of the interaction here.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ablate.statistics.compare import Comparison, Verdict
from ablate.statistics.multiple import holm
from ablate.statistics.student import ALPHA, t_above, t_quantile, t_two_sided

K = TypeVar("K", bound=Hashable)
Made: TypeAlias = frozenset[str]  # the names of the changes that a run has
Array: TypeAlias = npt.NDArray[np.float64]
_ZERO = 1e-9


@dataclass(frozen=True)
class Effect:
    """One main effect (one name) or two-way interaction (two names), in the unit of the values.

    `low`, `high`: 95 % interval; `p` two-sided, `p_corrected` Holm's over all effects of the design;
    `freedom` are the residual's degrees of freedom. `aliases` are the terms that the runs cannot tell from
    this one, with their sign. An exact effect, of counted values, has itself as its interval and no p.
    """

    changes: tuple[str, ...]
    effect: float
    low: float
    high: float
    p: float
    p_corrected: float
    freedom: int
    aliases: tuple[str, ...] = ()
    margin: float | None = None
    p_equivalent: float = math.nan
    lower_is_better: bool = False
    exact: bool = False

    @property
    def name(self) -> str:
        """`no-attention`, or `no-attention x plain-ffn` for an interaction."""
        return " x ".join(self.changes)

    @property
    def verdict(self) -> Verdict:
        """What the change does, in the words of `ablate.statistics.compare`; for an interaction, whether
        the two changes do better together than their own effects add up to.
        """
        if self.exact:
            if self.effect == 0 or (self.margin is not None and abs(self.effect) < self.margin):
                return "equivalent"
            return "better" if (self.effect > 0) != self.lower_is_better else "worse"
        return Comparison(
            self.freedom + 1,
            self.effect,
            math.nan,
            self.low,
            self.high,
            self.p,
            self.p_corrected,
            self.margin,
            self.p_equivalent,
            self.lower_is_better,
        ).verdict

    def to_json(self) -> dict[str, Any]:
        """Plain data with name and verdict; NaN becomes None."""
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }
        return {"name": self.name, **plain, "verdict": self.verdict}


def factorial_effects(
    runs: Mapping[Made, Mapping[K, float]],
    margin: float | None = None,
    *,
    changes: Sequence[str] | None = None,
    lower_is_better: bool = False,
    interactions: bool = True,
) -> tuple[Effect, ...]:
    """Main effects, then two-way interactions, from `{changes made: {seed: value}}`.

    `changes` gives the order of the names (default: sorted). Seeds may be missing. With no residual degrees
    of freedom left, or no scatter at all, intervals and p values are NaN. Interactions of three changes and
    more are taken for zero: where they are not, they widen the residual. Raises `ValueError` without runs
    or for a value that is not finite.
    """
    names = list(changes) if changes is not None else sorted({name for made in runs for name in made})
    rows = [(made, seed, value) for made, sample in runs.items() for seed, value in sample.items()]
    if not rows or not names:
        raise ValueError("effects need runs with at least one change")
    if not all(math.isfinite(value) for *_, value in rows):
        raise ValueError("effects need finite values")
    seeds = list(dict.fromkeys(seed for _, seed, _ in rows))
    blocks = np.array([[float(seed == other) for other in seeds] for _, seed, _ in rows])
    terms = _terms(names, interactions)
    columns = np.array([[_column(made, term) for term in terms] for made, *_ in rows])
    kept, aliases = _told_apart(blocks, columns, terms)
    matrix = np.hstack([blocks, columns[:, kept]])
    y = np.array([value for *_, value in rows])
    solution, _, rank, _ = np.linalg.lstsq(matrix, y, rcond=None)
    freedom = len(y) - int(rank)
    residual = y - matrix @ solution
    if np.abs(residual).max() <= _ZERO * np.abs(y).max():
        residual = np.zeros_like(residual)  # rounding is no scatter
    variance = float(residual @ residual) / freedom if freedom > 0 else math.nan
    spread = np.diag(np.linalg.pinv(matrix.T @ matrix))
    out = []
    for position, index in enumerate(kept):
        at = blocks.shape[1] + position
        error = math.sqrt(variance * spread[at]) if freedom > 0 else math.nan
        estimate = float(solution[at])
        out.append(_effect(terms[index], estimate, error, freedom, aliases[index], margin, lower_is_better))
    return _corrected(out)


def exact_effects(
    values: Mapping[Made, float],
    margin: float | None = None,
    *,
    changes: Sequence[str] | None = None,
    lower_is_better: bool = True,
    interactions: bool = True,
) -> tuple[Effect, ...]:
    """The same effects of a counted quantity, such as parameters: averages without an error.

    By default the lower one is better, as with costs.
    """
    outcome = factorial_effects(
        {made: {0: value} for made, value in values.items()},
        margin,
        changes=changes,
        lower_is_better=lower_is_better,
        interactions=interactions,
    )
    size = max(map(abs, values.values()), default=0.0)
    rounded = [
        replace(item, effect=0.0 if abs(item.effect) <= _ZERO * size else item.effect, exact=True)
        for item in outcome
    ]
    return tuple(
        replace(item, low=item.effect, high=item.effect, p=math.nan, p_corrected=math.nan) for item in rounded
    )


def _terms(names: Sequence[str], interactions: bool) -> list[tuple[str, ...]]:
    pairs: Iterable[tuple[str, ...]] = combinations(names, 2) if interactions else ()
    return [*((name,) for name in names), *pairs]


def _column(made: Made, term: tuple[str, ...]) -> float:
    return math.prod(0.5 if name in made else -0.5 for name in term)


def _told_apart(
    blocks: Array, columns: Array, terms: Sequence[tuple[str, ...]]
) -> tuple[list[int], dict[int, tuple[str, ...]]]:
    """The terms that add something to those before them, and for each the later ones that hang on it."""
    kept: list[int] = []
    aliases: dict[int, list[str]] = {}
    for index, term in enumerate(terms):
        matrix = np.hstack([blocks, columns[:, kept]])
        column = columns[:, index]
        solution, *_ = np.linalg.lstsq(matrix, column, rcond=None)
        if np.abs(column - matrix @ solution).max() > _ZERO:
            kept.append(index)
            aliases[index] = []
            continue
        for position, other in enumerate(kept):
            weight = solution[blocks.shape[1] + position]
            if abs(weight) > _ZERO:
                aliases[other].append(("-" if weight < 0 else "") + " x ".join(term))
    return kept, {index: tuple(names) for index, names in aliases.items()}


def _effect(
    term: tuple[str, ...],
    estimate: float,
    error: float,
    freedom: int,
    aliases: tuple[str, ...],
    margin: float | None,
    lower_is_better: bool,
) -> Effect:
    half = p = equal = math.nan
    if error > 0:
        half, p = t_quantile(freedom) * error, t_two_sided(estimate / error, freedom)
        equal = math.nan if margin is None else t_above((margin - abs(estimate)) / error, freedom)
    return Effect(
        term,
        estimate,
        estimate - half,
        estimate + half,
        p,
        p,
        freedom,
        aliases,
        margin,
        equal,
        lower_is_better,
    )


def _corrected(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    corrected = holm([effect.p for effect in effects])
    return tuple(replace(effect, p_corrected=p) for effect, p in zip(effects, corrected, strict=True))


def resolved_interactions(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The interactions that are certain after correction: where the changes do not simply add up."""
    return tuple(item for item in effects if len(item.changes) == 2 and item.p_corrected <= ALPHA)
