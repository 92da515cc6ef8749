"""The law of a ladder: error or loss against compute, `L(N) = E + A / N^a`, and whether the sizes support it.

Fitted by Huber's loss on the residuals of log L, from several starts, as Hoffmann et al. (2022, approach 3)
do; N is any amount of compute, such as MACs. The parameters are E >= 0 (what no compute removes), A > 0 and
0 < a <= 3. Three parameters need four sizes; and the law must beat a constant: if size did not matter, the
values of a seed could as well stand at other sizes, so the misfit is compared to that of values shuffled
within every seed (all orders where they are few, else 99), and p is the share that the law fits as well.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ablate.statistics.student import ALPHA

K = TypeVar("K", bound=Hashable)
Array = npt.NDArray[np.float64]
LEAST_SIZES = 4
_HUBER = 0.02  # residuals of log L beyond 2 % count linearly
_STEEPEST = 3.0
_ORDERS = 99
_DEEPEST = 12.0  # the floor, in logarithms below the least loss: below it is 0
_STEPS = 80
_STARTS = tuple((floor, a) for a in (0.3, 1.0) for floor in (0.02, 0.9))


@dataclass(frozen=True)
class Law:
    """`L(N) = floor + scale / N^exponent`; `misfit` is the Huber loss of the log residuals."""

    floor: float
    log_scale: float  # of A: the scale itself may leave the range of floats
    exponent: float
    misfit: float

    def __call__(self, compute: float) -> float:
        """The loss at an amount of compute."""
        return self.floor + math.exp(self.log_scale - self.exponent * math.log(compute))

    def compute_for(self, loss: float) -> float:
        """The compute at which the law reaches a loss; infinite at the floor and below."""
        if loss <= self.floor:
            return math.inf
        log = (self.log_scale - math.log(loss - self.floor)) / self.exponent
        return math.exp(log) if log < 700 else math.inf


@dataclass(frozen=True)
class LadderFit:
    """A fitted ladder, or why there is none (`law` is None then). `sizes` are amounts of compute, rising.

    `p` is that of the test against a constant; NaN where the fit was not tried.
    """

    sizes: tuple[float, ...]
    law: Law | None
    p: float
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        law = None if self.law is None else asdict(self.law)
        p = None if math.isnan(self.p) else self.p
        return {"sizes": list(self.sizes), "law": law, "p": p, "note": self.note}


def fit_ladder(losses: Mapping[float, Mapping[K, float]], *, seed: int = 0) -> LadderFit:
    """Fit `{compute: {seed: loss}}`; losses are positive, lower is better, such as test loss or 100 - top-1.

    `seed` draws the random orders. Raises `ValueError` for values that are not positive and finite.
    """
    sizes, points, values = flatten(losses)
    if len(sizes) < LEAST_SIZES:
        note = f"{len(sizes)} {'size' if len(sizes) == 1 else 'sizes'}; a law needs {LEAST_SIZES}"
        return LadderFit(sizes, None, math.nan, note)
    law = fit_law(points, values)
    p = _against_orders(losses, law.misfit, seed)
    if p > ALPHA:
        return LadderFit(sizes, None, p, f"the law does not beat a constant (p = {p:.2g})")
    return LadderFit(sizes, law, p, "")


def flatten(losses: Mapping[float, Mapping[K, float]]) -> tuple[tuple[float, ...], Array, Array]:
    """The sizes that have values, and every value with its compute."""
    sizes = tuple(sorted(size for size, sample in losses.items() if sample))
    points = np.array([size for size in sizes for _ in losses[size]], dtype=float)
    values = np.array([value for size in sizes for value in losses[size].values()], dtype=float)
    if not (np.isfinite(values).all() and (values > 0).all() and (points > 0).all()):
        raise ValueError("a law needs positive, finite losses and amounts of compute")
    return sizes, points, values


def fit_law(compute: Array, losses: Array) -> Law:
    """The best fit to single values, `(n,)` each."""
    return fit_laws(compute[None], losses[None])[0]


def fit_laws(compute: Array, losses: Array) -> list[Law]:
    """The best fits to many samples at once, `(samples, n)` each; a NaN among the losses is no value.

    Levenberg-Marquardt on all samples and all starts together, with Huber's weights (iteratively reweighted
    least squares): thousands of three-parameter fits in the time that scipy takes for ten.
    """
    starts = len(_STARTS)
    known = np.repeat(np.isfinite(losses), starts, axis=0)
    x, y = (np.repeat(np.log(values), starts, axis=0) for values in (compute, losses))
    y = np.where(known, y, 0.0)
    count = known.sum(axis=1)
    center = np.where(known, x, 0.0).sum(axis=1) / count
    x = x - center[:, None]
    least = np.where(known, y, np.inf).min(axis=1)
    shares, exponents = (np.tile(column, len(losses)) for column in np.array(_STARTS).T)
    above = np.maximum(np.exp(y.sum(axis=1) / count) - shares * np.exp(least), 1e-3 * np.exp(least))
    at = np.stack([np.log(shares) + least, np.log(above), exponents], axis=1)
    lower = np.stack([least - _DEEPEST, np.full_like(least, -np.inf), np.full_like(least, 1e-6)], axis=1)
    upper = np.array([np.inf, np.inf, _STEEPEST])
    cost, damping = _misfit(at, x, y, known), np.full(len(at), 1e-2)
    settled = np.zeros(len(at), dtype=bool)
    for _ in range(_STEPS):
        step = _step(at, x, y, known, damping)
        moved = np.clip(at + step, lower, upper)
        lowered = _misfit(moved, x, y, known)
        good = lowered < cost
        settled |= good & (cost - lowered < 1e-9 * cost) | (damping > 1e9)
        at = np.where(good[:, None], moved, at)
        cost = np.where(good, lowered, cost)
        damping = np.where(good, damping / 5, damping * 4)
        if settled.all():
            break
    best = cost.reshape(-1, starts).argmin(axis=1) + starts * np.arange(len(losses))
    return [
        Law(float(np.exp(at[i, 0])), float(at[i, 1] + at[i, 2] * center[i]), float(at[i, 2]), float(cost[i]))
        for i in best
    ]


def _curve(at: Array, x: Array) -> tuple[Array, Array]:
    """log L of each sample at each x, and the share of the floor in L."""
    floor, scale, exponent = (at[:, i : i + 1] for i in range(3))
    logs = np.logaddexp(floor, scale - exponent * x)
    return logs, np.exp(floor - logs)


def _misfit(at: Array, x: Array, y: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Huber's loss of the log residuals, summed: r^2 / 2 within the bound, linear beyond."""
    residual = np.where(known, _curve(at, x)[0] - y, 0.0)
    cut = np.clip(residual, -_HUBER, _HUBER)
    return np.asarray((cut * (residual - cut / 2)).sum(axis=1))


def _step(at: Array, x: Array, y: Array, known: npt.NDArray[np.bool_], damping: Array) -> Array:
    logs, share = _curve(at, x)
    residual = np.where(known, logs - y, 0.0)
    weight = np.where(known, _HUBER / np.maximum(np.abs(residual), _HUBER), 0.0)
    slopes = np.stack([share, 1 - share, -(1 - share) * x], axis=2)  # (samples, n, 3)
    gradient = np.einsum("snp,sn->sp", slopes, weight * residual)
    curvature = np.einsum("snp,sn,snq->spq", slopes, weight, slopes)
    diagonal = np.einsum("spp->sp", curvature)
    # the mean diagonal beside each own: a parameter without influence must not make the system singular
    lift = damping[:, None] * (diagonal + 1e-6 * diagonal.mean(axis=1, keepdims=True)) + 1e-15
    return -np.linalg.solve(curvature + lift[:, :, None] * np.eye(3), gradient[:, :, None])[:, :, 0]


def _against_orders(losses: Mapping[float, Mapping[K, float]], misfit: float, seed: int) -> float:
    """The share of shuffled ladders, the true one among them, that the law fits at least as well."""
    seeds = list(dict.fromkeys(key for sample in losses.values() for key in sample))
    sizes = {key: [size for size, sample in losses.items() if key in sample] for key in seeds}
    number = math.prod(math.factorial(len(at)) for at in sizes.values())
    orders: list[tuple[tuple[int, ...], ...]]
    if number <= _ORDERS:
        orders = list(product(*(permutations(range(len(sizes[key]))) for key in seeds)))[1:]
    else:
        random = np.random.default_rng(seed)
        orders = [tuple(tuple(random.permutation(len(sizes[key]))) for key in seeds) for _ in range(_ORDERS)]
    compute = [size for key in seeds for size in sizes[key]]
    shuffled = [
        [losses[sizes[key][i]][key] for key, places in zip(seeds, order, strict=True) for i in places]
        for order in orders
    ]
    laws = fit_laws(np.tile(np.array(compute, dtype=float), (len(orders), 1)), np.array(shuffled))
    return (1 + sum(law.misfit <= misfit * (1 + 1e-9) for law in laws)) / (1 + len(orders))
