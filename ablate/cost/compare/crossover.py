"""From which resolution one layout needs less than another.

Crossovers are whole resolutions, multiples of the layouts' total stride. Where the difference of two curves
is a polynomial in the resolution (found from five counts, and confirmed by every other count at hand), it is
looked at everywhere in the range; else signs are compared at the listed resolutions, and a change of sign is
narrowed down by bisection, so that two crossings between neighbouring listed resolutions are not seen. In
both cases both sides of a crossing are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, groupby, pairwise
from typing import Any, Literal, TypeAlias

from ablate.cost.compare.curves import Curve, Quantity, Value

Method: TypeAlias = Literal["polynomial", "bisection", "listed"]
_POINTS = 5  # costs grow with the fourth power of the resolution at most, so five counts fix a polynomial
_PROBES = _POINTS + 3


@dataclass(frozen=True)
class Crossover:
    """The first resolution in pixels from which `a` needs less than `b` up to the end of the range, or None.

    `value` is what `a` needs there, `less` whether it needs less at the end. Without a resolution `note` says
    why: less everywhere, or not less at the end. `method` says how the range was looked at.
    """

    a: str
    b: str
    quantity: Quantity
    resolution: int | None
    value: Value | None
    less: bool
    method: Method
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


def crossovers(curves: Iterable[Curve]) -> list[Crossover]:
    """For every pair of layouts and every quantity: `a` is the one that needs less at the largest
    resolution."""
    rows = []
    for curve, other in combinations(curves, 2):
        if curve.quantity == other.quantity and curve.layout != other.layout:
            row = crossover(curve, other)
            rows.append(row if row.less else max(crossover(other, curve), row, key=lambda r: r.less))
    return rows


def crossover(a: Curve, b: Curve) -> Crossover:
    """From which resolution `a` needs less than `b`, over the resolutions that both curves list.

    Raises `ValueError` when the curves are of different quantities or have no resolution in common.
    """
    if a.quantity != b.quantity:
        raise ValueError(f"cannot compare {a.quantity} with {b.quantity}")
    listed = [side for side in a.resolutions if side in b.resolutions]
    if not listed:
        raise ValueError(f"{a.layout} and {b.layout} have no resolution in common")
    values = {side: (a.value(side), b.value(side)) for side in listed}
    missing = [side for side, pair in values.items() if None in pair]
    if missing:
        note = f"cannot be counted at {', '.join(map(str, missing))} px"
        return Crossover(a.layout, b.layout, a.quantity, None, None, False, "listed", note)
    return _verdict(a, b, *_compare(a, b, listed))


def _verdict(a: Curve, b: Curve, sides: Sequence[int], signs: Sequence[int], method: Method) -> Crossover:
    less = [sign < 0 for sign in signs]
    span = f"{sides[0]} to {sides[-1]} px"
    changes = sum(x != y for x, y in pairwise(less))
    resolution = None
    if all(less):
        note = f"less at every resolution, {span}"
    elif not any(signs):
        note = f"equal at every resolution, {span}"
    elif not any(less):
        note = f"nowhere less, {span}"
    elif not less[-1]:
        note = f"not less at {sides[-1]} px; less at {_spans(sides, less)}"
    else:
        resolution = sides[max(i for i, below in enumerate(less) if not below) + 1]
        note = "" if changes == 1 else f"{changes} crossings; less at {_spans(sides, less)}"
    value = None if resolution is None else a.value(resolution)
    return Crossover(a.layout, b.layout, a.quantity, resolution, value, less[-1], method, note)


def _spans(sides: Sequence[int], less: Sequence[bool]) -> str:
    runs = [
        [side for side, _ in run]
        for below, run in groupby(zip(sides, less, strict=True), lambda p: p[1])
        if below
    ]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs) + " px"


def _compare(a: Curve, b: Curve, listed: Sequence[int]) -> tuple[Sequence[int], list[int], Method]:
    """Resolutions in ascending order, the sign of a - b at each, and how that was found."""
    stride = math.lcm(a.stride, b.stride)
    sides = range(-(-listed[0] // stride) * stride, listed[-1] + 1, stride)
    if a.at is not None and b.at is not None and len(sides) > 1:
        try:
            return (sides, *_between(a, b, sides, listed))
        except _UncountableError:  # a timm model may refuse the resolutions between
            pass
    return listed, [_sign(_difference(a, b, side)) for side in listed], "listed"


def _between(a: Curve, b: Curve, sides: range, listed: Sequence[int]) -> tuple[list[int], Method]:
    """The sign of a - b at each of `sides`."""
    probes = _probes(sides, listed)
    known = {side: _difference(a, b, side) for side in probes}
    polynomial = _polynomial(known)
    if polynomial is not None:
        signs = [_sign(polynomial(side)) for side in sides]
        turns = [i for i, (x, y) in enumerate(pairwise(signs)) if x != y]
        if all(_difference(a, b, sides[j]) == polynomial(sides[j]) for i in turns for j in (i, i + 1)):
            return signs, "polynomial"
    signs = []
    for low, high in pairwise(probes):
        before, after = _sign(known[low]), _sign(known[high])
        turn = high if before == after else _bisect(a, b, low, high, sides.step)
        signs += [before if side < turn else after for side in range(low, high, sides.step)]
    return [*signs, _sign(known[probes[-1]])], "bisection"


class _UncountableError(Exception):
    """A layout cannot be counted at a resolution that is not listed."""


def _difference(a: Curve, b: Curve, side: int) -> Value:
    left, right = a.value(side), b.value(side)
    if left is None or right is None:
        raise _UncountableError
    return left - right


def _sign(value: Value | Fraction) -> int:
    return (value > 0) - (value < 0)


def _bisect(a: Curve, b: Curve, low: int, high: int, stride: int) -> int:
    """The first resolution above `low` with the sign of `high`, where the sign changes once."""
    less = _difference(a, b, high) < 0
    while high - low > stride:
        middle = low + (high - low) // (2 * stride) * stride
        if (_difference(a, b, middle) < 0) == less:
            high = middle
        else:
            low = middle
    return high


def _probes(sides: Sequence[int], listed: Sequence[int]) -> list[int]:
    """Both ends, the listed resolutions, and enough others to confirm a polynomial."""
    probes = {sides[0], sides[-1], *(side for side in listed if side in sides)}
    if len(probes) < _PROBES:
        probes |= {sides[round(i * (len(sides) - 1) / (_PROBES - 1))] for i in range(_PROBES)}
    return sorted(probes)


def _polynomial(known: Mapping[int, Value]) -> Callable[[int], Fraction] | None:
    """The polynomial through five of the points, when it agrees with all the others."""
    sides = list(known)
    if len(sides) < _PROBES or not all(isinstance(value, int) for value in known.values()):
        return None
    chosen = sides[:: max(1, (len(sides) - 1) // (_POINTS - 1))][:_POINTS]

    def at(side: int) -> Fraction:
        total = Fraction(0)
        for node in chosen:
            factors = (Fraction(side - other, node - other) for other in chosen if other != node)
            total += math.prod(factors, start=Fraction(known[node]))
        return total

    return at if all(at(side) == value for side, value in known.items()) else None
