"""Does a short schedule rank layouts as a long one does? Rank correlations between two budgets of one study.

The layouts are the sample: the interval says what other layouts of this kind would give. It is made on
Fisher's z with the standard errors that hold for ranks: sqrt((1 + r^2 / 2) / (n - 3)) for Spearman (Bonett &
Wright, 2000), sqrt(0.437 / (n - 4)) for Kendall (Fieller, Hartley & Pearson, 1957). Fewer than five layouts
have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ablate.statistics.compare import compare
from ablate.statistics.student import CONFIDENCE

K = TypeVar("K", bound=Hashable)
LEAST_LAYOUTS = 5


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RankAgreement:
    """How two budgets rank the same layouts, by their means over seeds.

    `pairs`: pairs of layouts; `agreeing`: those that both budgets order alike. `sure`: pairs whose order the
    long budget resolves (paired t test at 5 %, pair by pair); `sure_agreeing`: those of them that the short
    one orders alike, `sure_reversed`: those whose reverse order the short one resolves.
    """

    layouts: tuple[str, ...]
    spearman: Correlation
    kendall: Correlation
    pairs: int
    agreeing: int
    sure: int
    sure_agreeing: int
    sure_reversed: int

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN becomes None."""
        plain = asdict(self)
        for name in ("spearman", "kendall"):
            plain[name] = {key: None if math.isnan(value) else value for key, value in plain[name].items()}
        return plain | {"layouts": list(self.layouts)}


def rank_agreement(
    short: Mapping[str, Mapping[K, float]], long: Mapping[str, Mapping[K, float]]
) -> RankAgreement:
    """Compare `{layout: {seed: value}}` of two budgets, over the layouts that both have values of."""
    names = tuple(name for name in short if short[name] and long.get(name))
    a, b = (np.array([np.mean(list(side[name].values())) for name in names]) for side in (short, long))
    agreeing = sure = sure_agreeing = sure_reversed = 0
    for i, j in combinations(range(len(names)), 2):
        alike = (a[i] - a[j]) * (b[i] - b[j]) > 0
        agreeing += alike
        certain = compare(long[names[i]], long[names[j]])
        if certain.resolved:
            sure += 1
            sure_agreeing += alike
            quick = compare(short[names[i]], short[names[j]])
            sure_reversed += quick.resolved and quick.mean * certain.mean < 0
    return RankAgreement(
        names,
        spearman(a.tolist(), b.tolist()),
        kendall(a.tolist(), b.tolist()),
        len(names) * (len(names) - 1) // 2,
        int(agreeing),
        sure,
        int(sure_agreeing),
        sure_reversed,
    )


def spearman(a: Sequence[float], b: Sequence[float]) -> Correlation:
    """Spearman's correlation of the ranks, ties at their mean rank."""
    n, r = len(a), _pearson(_ranks(a), _ranks(b))
    return _with_interval(r, n, math.sqrt((1 + r * r / 2) / (n - 3)) if n >= LEAST_LAYOUTS else math.nan)


def kendall(a: Sequence[float], b: Sequence[float]) -> Correlation:
    """Kendall's tau-b: pairs in the same order less those in the reverse one, with ties accounted for."""
    x, y = (np.sign(np.subtract.outer(side, side)) for side in (np.asarray(a), np.asarray(b)))
    scale = math.sqrt(float((x**2).sum() * (y**2).sum()))
    r = float((x * y).sum()) / scale if scale else math.nan
    n = len(a)
    return _with_interval(r, n, math.sqrt(0.437 / (n - 4)) if n >= LEAST_LAYOUTS else math.nan)


def _with_interval(r: float, n: int, error: float) -> Correlation:
    if math.isnan(r) or math.isnan(error):
        return Correlation(r, math.nan, math.nan)
    # a perfect order has no finite z: half a step of the coarsest change of order stands in for it
    inside = min(max(r, -1 + 1 / (n * (n - 1))), 1 - 1 / (n * (n - 1)))
    half = float(ndtri((1 + CONFIDENCE) / 2)) * error
    low, high = math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half)
    return Correlation(r, min(low, r), max(high, r))


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    at = np.asarray(values, dtype=float)
    below = (at[:, None] > at[None, :]).sum(axis=1)
    same = (at[:, None] == at[None, :]).sum(axis=1)
    return np.asarray(below + (same + 1) / 2, dtype=np.float64)


def _pearson(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    x, y = a - a.mean() if len(a) else a, b - b.mean() if len(b) else b
    scale = math.sqrt(float((x @ x) * (y @ y)))
    return min(1.0, max(-1.0, float(x @ y) / scale)) if scale else math.nan
