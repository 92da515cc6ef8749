"""Exact polynomials from evaluations: interpolation in rationals, confirmed at held-out points.

The function is a black box on a grid. Its degree along each axis is read off divided differences; then as
many evaluations as there are coefficients fix the polynomial, and held-out points must agree exactly. An
axis may carry a negative power (a number of keys N / r^2, a head width C / h): then r^2 f is interpolated
instead of f.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

import sympy

Point: TypeAlias = Mapping[str, Any]
Coefficients: TypeAlias = dict[tuple[int, ...], Fraction]

_CONFIRM = 2  # divided differences that must vanish beyond the degree


class NoClosedForm(Exception):  # noqa: N818 - it is an answer, not a failure
    """The function is no polynomial of the allowed degrees on this grid."""


def symbol(name: str) -> sympy.Symbol:
    """The symbol of a positive whole number."""
    return sympy.Symbol(name, positive=True, integer=True)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Axis:
    """One variable: its symbol, the places where the function may be evaluated, and their values."""

    symbol: str
    places: tuple[Any, ...]
    value: Callable[[Any], int] = int
    inverse: int = 0  # the function times symbol^inverse is a polynomial


def interpolate(function: Callable[[Point], int], axes: Sequence[Axis], held_out: int = 4) -> sympy.Expr:
    """The polynomial in the axes' symbols that equals `function` exactly on the grid and at held-out points.

    Every axis needs two places more than its degree + 1. Raises `NoClosedForm` when there is none.
    """
    seen: dict[tuple[Any, ...], Fraction] = {}

    def evaluate(places: tuple[Any, ...]) -> Fraction:
        if places not in seen:
            names = [axis.symbol for axis in axes]
            value = Fraction(function(dict(zip(names, places, strict=True))))
            for axis, place in zip(axes, places, strict=True):
                value *= Fraction(axis.value(place)) ** axis.inverse
            seen[places] = value
        return seen[places]

    base = tuple(axis.places[0] for axis in axes)
    degrees = [_degree(evaluate, axes, base, index) for index in range(len(axes))]
    grids = [axis.places[: degree + 1] for axis, degree in zip(axes, degrees, strict=True)]
    coefficients = _solve(evaluate, axes, grids, ())
    for places in _held_out(axes, degrees, held_out):
        values = [Fraction(axis.value(place)) for axis, place in zip(axes, places, strict=True)]
        if _value(coefficients, values) != evaluate(places):
            raise NoClosedForm(f"a polynomial through the grid misses {places}")
    return _expression(coefficients, axes)


def _degree(
    evaluate: Callable[[tuple[Any, ...]], Fraction], axes: Sequence[Axis], base: tuple[Any, ...], index: int
) -> int:
    axis = axes[index]
    points: list[Fraction] = []
    table: list[Fraction] = []  # the last diagonal of Newton's divided differences
    zeros = 0
    for place in axis.places:
        points.append(Fraction(axis.value(place)))
        diagonal = [evaluate((*base[:index], place, *base[index + 1 :]))]
        for order, previous in enumerate(table, start=1):
            diagonal.append((diagonal[-1] - previous) / (points[-1] - points[-1 - order]))
        table = diagonal
        zeros = zeros + 1 if table[-1] == 0 else 0
        if zeros == _CONFIRM:
            return max(len(points) - 1 - _CONFIRM, 0)
    raise NoClosedForm(f"no polynomial in {axis.symbol} on {axis.places}")


def _solve(
    evaluate: Callable[[tuple[Any, ...]], Fraction],
    axes: Sequence[Axis],
    grids: Sequence[Sequence[Any]],
    fixed: tuple[Any, ...],
) -> Coefficients:
    """Coefficients in the axes that are not fixed yet, by Lagrange interpolation along the next one."""
    if len(fixed) == len(axes):
        return {(): evaluate(fixed)}
    axis, grid = axes[len(fixed)], grids[len(fixed)]
    points = [Fraction(axis.value(place)) for place in grid]
    total: Coefficients = {}
    for index, place in enumerate(grid):
        inner = _solve(evaluate, axes, grids, (*fixed, place))
        for power, weight in enumerate(_lagrange(points, index)):
            for powers, value in inner.items():
                key = (power, *powers)
                total[key] = total.get(key, Fraction(0)) + weight * value
    return total


def _lagrange(points: Sequence[Fraction], index: int) -> list[Fraction]:
    """Coefficients, constant first, of the polynomial that is 1 at one point and 0 at the others."""
    basis = [Fraction(1)]
    for other, point in enumerate(points):
        if other != index:
            scale = points[index] - point
            shifted = [Fraction(0), *basis]
            basis = [
                (high - point * low) / scale for high, low in zip(shifted, [*basis, Fraction(0)], strict=True)
            ]
    return basis


def _held_out(axes: Sequence[Axis], degrees: Sequence[int], number: int) -> list[tuple[Any, ...]]:
    """Combinations of places that the grid does not hold."""
    fresh = [axis.places[degree + 1 :] for axis, degree in zip(axes, degrees, strict=True)]
    combinations = list(product(*(reversed(places) for places in fresh)))
    return combinations[:: max(len(combinations) // number, 1)][:number]


def _value(coefficients: Coefficients, values: Sequence[Fraction]) -> Fraction:
    return sum(
        (
            reduce(lambda term, pair: term * pair[0] ** pair[1], zip(values, powers, strict=True), weight)
            for powers, weight in coefficients.items()
        ),
        Fraction(0),
    )


def _expression(coefficients: Coefficients, axes: Sequence[Axis]) -> sympy.Expr:
    symbols = [symbol(axis.symbol) for axis in axes]
    terms = []
    for powers, weight in coefficients.items():
        if weight:
            term = sympy.Rational(weight.numerator, weight.denominator)
            for base, axis, power in zip(symbols, axes, powers, strict=True):
                term *= base ** (power - axis.inverse)
            terms.append(term)
    return sympy.Add(*terms)
