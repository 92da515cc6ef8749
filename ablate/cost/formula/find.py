"""Exact formulas of a block's cost in N (tokens) and C (channels), found by interpolation and confirmed.

A formula speaks of the token mixer alone, or of the whole block where the block is whole (`mbconv`,
`convnext`), for one image. Symbols: N = H W, C, and on request the block's own arguments: w (window), k
(kernel), r (reduction), e (expansion), h (heads). Where heads are not a symbol, each is 32 channels wide.
Where padding makes a cost piecewise, the formula holds under the condition that it states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import gcd, lcm
from typing import Literal, TypeAlias

import sympy
import torch
from torch import nn

import blocks
from ablate.cost.count import CountingMode, Tally, run_pass
from ablate.cost.formula.polynomial import Axis, NoClosedForm, Point, interpolate, symbol
from ablate.cost.memory.links import TrainingTrace, trace_inference_link, trace_training_link
from ablate.cost.operators.kernel import Kernel
from ablate.cost.parts import image_border
from ablate.errors import AblateError, first_line
from ablate.layout.arguments import find_part
from ablate.layout.call import BlockCall

Quantity: TypeAlias = Literal[
    "params",
    "macs",
    "elementwise",
    "bytes",
    "activations",
    "saved_fused",
    "saved_math",
    "peak_fused",
    "peak_math",
]
UNITS: dict[Quantity, str] = {
    "params": "parameters",
    "macs": "MACs",
    "elementwise": "operations",
    "bytes": "bytes read and written, float32, fused attention",
    "activations": "elements that convolutions, matmuls and attention give out",
    "saved_fused": "bytes kept for the backward pass, input included where it is kept, fused attention",
    "saved_math": "the same with the attention scores stored",
    "peak_fused": "bytes alive at once in inference, without weights and input, fused attention",
    "peak_math": "the same with the attention scores stored",
}
HEAD_WIDTH = 32
_SYMBOLS = {"window": "w", "size": "w", "kernel": "k", "ratio": "r", "expand": "e"}
_ODD = (3, 5, 7, 9, 11, 13)
_HEADS = (2, 4, 6, 8, 12, 16)
_SHAPES = ((7, 8), (8, 9), (7, 11), (9, 10), (13, 8), (11, 12), (10, 17))


class UncountedError(Exception):
    """A block holds operators that hide contractions; the message names them."""


@dataclass(frozen=True)
class Formula:
    """One quantity of one block. `str(formula)` is the expression, or says that there is none."""

    quantity: Quantity
    expression: sympy.Expr | None  # None: there is none, for the `reason`
    condition: str = ""  # where it holds, if not everywhere
    reason: str = ""  # why there is no expression
    uncounted: bool = False  # the block hides contractions from the count

    @property
    def unit(self) -> str:
        """What is counted."""
        return UNITS[self.quantity]

    @property
    def degree(self) -> int | None:
        """The power of N that dominates for many tokens."""
        if self.expression is None:
            return None
        n = symbol("N")
        return max(int(term.as_coeff_exponent(n)[1]) for term in sympy.Add.make_args(self.expression))

    @property
    def order(self) -> str:
        """The order in N: `O(1)`, `O(N)`, `O(N^2)`."""
        degree = self.degree
        if degree is None:
            return "uncounted" if self.uncounted else "unknown"
        return ("O(1)", "O(N)")[degree] if degree < 2 else f"O(N^{degree})"

    def __str__(self) -> str:
        if self.expression is None:
            return "uncounted" if self.uncounted else "no closed form"
        return str(self.expression)


def formulas(
    call: BlockCall | str,
    quantities: Sequence[Quantity] = ("params", "macs"),
    variables: Sequence[str] = (),
) -> dict[Quantity, Formula]:
    """Formulas of a mixer or block; `variables` are arguments of its own that become symbols.

    Raises `AblateError` for an unknown block, argument or quantity. A quantity without a polynomial on any
    grid that was tried has no expression but a reason, and so has one of a block that hides contractions: its
    MACs are not known, so that no formula is made of the rest.
    """
    call = BlockCall(call) if isinstance(call, str) else call
    unknown = [name for name in quantities if name not in UNITS]
    if unknown:
        raise AblateError(f"unknown quantity {unknown[0]!r}; known: {', '.join(UNITS)}")
    return {quantity: _formula(call, quantity, tuple(variables)) for quantity in quantities}


def size_arguments(name: str) -> tuple[str, ...]:
    """The arguments of a block that can be symbols in its formulas, `heads` among them where it has any."""
    entry = find_part(name, "mixer", "block")
    heads = ("heads",) if "num_heads" in entry.supplied else ()
    return tuple(argument for argument in entry.arguments if argument in _SYMBOLS) + heads


@lru_cache(4096)
def _formula(call: BlockCall, quantity: Quantity, variables: tuple[str, ...]) -> Formula:
    function = _evaluator(call, quantity)
    peak = quantity.startswith("peak")
    reason = ""
    for condition, axes in _grids(call, variables, large=peak):
        try:
            expression = interpolate(function, axes)
        except NoClosedForm as error:
            reason = reason or str(error)
            continue
        except UncountedError as error:
            return Formula(quantity, None, reason=str(error), uncounted=True)
        except (RuntimeError, ValueError, TypeError) as error:  # raised by the block itself
            first = first_line(error)
            return Formula(quantity, None, reason=f"the block does not run without data: {first}")
        if peak:
            condition = "; ".join(filter(None, (condition, _from_where(function, axes, expression))))
        return Formula(quantity, expression, condition)
    if not variables:
        return Formula(quantity, None, reason=f"{reason}, nor on any coarser grid that was tried")
    # One argument fewer as a symbol: the formula then holds for its value alone.
    name, rest = variables[0], variables[1:]
    simpler = _formula(call, quantity, rest)
    if simpler.expression is None or name == "heads":  # without heads as a symbol, each is of one width
        return simpler
    value = call.kwargs.get(name, find_part(call.name, "mixer", "block").arguments[name].default)
    return replace(simpler, condition="; ".join(filter(None, (f"{name}={value}", simpler.condition))))


def _from_where(function: Callable[[Point], int], axes: Sequence[Axis], expression: sympy.Expr) -> str:
    """A peak is a maximum of polynomials: the N from which on this one is it, seen at the least width."""
    tokens = axes[0]
    unit = gcd(*(side for place in tokens.places for side in place))
    point = {axis.symbol: axis.places[0] for axis in axes}
    values = [(symbol(axis.symbol), axis.value(axis.places[0])) for axis in axes[1:]]
    holds = tokens.value(tokens.places[0])
    for multiple in (24, 16, 12, 8, 6, 5, 4, 3, 2, 1):
        side = unit * multiple
        exact = expression.subs([*values, (symbol("N"), side * side)])
        if function(point | {"N": (side, side)}) != exact:
            return f"N >= {holds}"
        holds = side * side
    return ""


def _tokens(place: tuple[int, int]) -> int:
    return place[0] * place[1]


def _grids(call: BlockCall, variables: tuple[str, ...], large: bool) -> Iterator[tuple[str, list[Axis]]]:
    """Grids from the most general one to the most special one, each with the condition that it stands for."""
    entry = find_part(call.name, "mixer", "block")
    own = [_own_axis(entry, name) for name in variables]
    sizes = {
        value
        for name in _SYMBOLS
        if name in entry.arguments
        and name not in variables
        and isinstance(value := call.kwargs.get(name, entry.arguments[name].default), int)
        and value > 1
    }
    for axis, name in zip(own, variables, strict=True):
        if name in ("window", "size", "ratio"):
            sizes = {lcm(*axis.places)}
    for unit, width in product([1, *sorted(sizes)], [1, 2] if "num_heads" in entry.supplied else [1]):
        for inverses in product(*[(0, 1, 2)] * len(own)):
            chosen = [Axis(a.symbol, a.places, a.value, i) for a, i in zip(own, inverses, strict=True)]
            conditions = [f"H and W multiples of {_unit_name(unit, own, variables)}"] if unit > 1 else []
            if width > 1 and "heads" not in variables:
                conditions.append(f"C a multiple of {width * HEAD_WIDTH}")
            yield (
                "; ".join(conditions),
                [
                    Axis("N", _places(unit, max(sizes, default=1), large), _tokens),
                    _channels(entry, width, "heads" in variables),
                    *chosen,
                ],
            )


def _unit_name(unit: int, own: Sequence[Axis], variables: Sequence[str]) -> str:
    for axis, name in zip(own, variables, strict=True):
        if name in ("window", "size", "ratio"):
            return axis.symbol
    return str(unit)


def _places(unit: int, extent: int, large: bool) -> tuple[tuple[int, int], ...]:
    """Sizes (H, W), square and oblong, larger than every window, multiples of `unit`."""
    scale = -(-2 * extent // (7 * unit)) * (8 if large else 1)
    odd = (6, 5) if unit == 1 else (0, 0)
    return tuple((unit * scale * height + odd[0], unit * scale * width + odd[1]) for height, width in _SHAPES)


def _channels(entry: blocks.Entry, width: int, heads: bool) -> Axis:
    if heads:
        return Axis("C", tuple(48 * multiple for multiple in (1, 2, 3, 4, 5, 6)))
    if "num_heads" in entry.supplied:
        return Axis("C", tuple(width * HEAD_WIDTH * multiple for multiple in (2, 3, 4, 5, 6, 7)))
    return Axis("C", tuple(8 * multiple for multiple in (2, 3, 4, 5, 6, 7)))


def _own_axis(entry: blocks.Entry, name: str) -> Axis:
    if name == "heads" and "num_heads" in entry.supplied:
        return Axis("h", _HEADS)
    if name not in _SYMBOLS or name not in entry.arguments:
        raise AblateError(f"{entry.name} has no size argument {name!r} to be a symbol")
    places = (2, 3, 4, 5, 6, 7, 8) if name in ("ratio", "expand") else _ODD
    return Axis(_SYMBOLS[name], places)


def _evaluator(call: BlockCall, quantity: Quantity) -> Callable[[Point], int]:
    """The quantity as a function of a point: `N` is a size (H, W), the other symbols are numbers."""
    entry = find_part(call.name, "mixer", "block")
    names = {symbol: name for name, symbol in _SYMBOLS.items() if name in entry.arguments}

    def evaluate(point: Point) -> int:
        own = tuple((names[symbol], value) for symbol, value in point.items() if symbol in names)
        module = _module(call, point["C"], point.get("h"), own)
        height, width = point["N"]
        return _measure(module, quantity, point["C"], height, width)

    return evaluate


@lru_cache(512)
def _module(call: BlockCall, dim: int, heads: int | None, own: tuple[tuple[str, int], ...]) -> nn.Module:
    supplied = {"dim": dim, "num_heads": heads or max(dim // HEAD_WIDTH, 1), "drop_path": 0.0}
    try:
        with torch.device("meta"):
            module = find_part(call.name, "mixer", "block").build(supplied, call.kwargs | dict(own))
    except (TypeError, ValueError) as error:
        raise AblateError(f"{call}: {error}") from error
    return module.to(memory_format=torch.channels_last)


def _measure(module: nn.Module, quantity: Quantity, dim: int, height: int, width: int) -> int:
    if quantity == "params":
        return sum(parameter.numel() for parameter in module.parameters())
    kind, _, kernel = quantity.partition("_")
    if kind == "peak":
        border = image_border(1, dim, height, width)
        try:
            return trace_inference_link(module, border, _kernel(kernel)).peak
        except RuntimeError as error:  # N x N of a grid this coarse is more than a tensor can say
            raise NoClosedForm(f"cannot be traced at {height} x {width}: {error}") from error
    if kind == "saved":
        return _saved(module, dim, height, width, _kernel(kernel))
    work, uncounted = _work(module, dim, height, width)
    if uncounted and quantity != "bytes":
        raise UncountedError(f"operators without a counting rule: {', '.join(uncounted)}")
    return int(getattr(work, quantity))


def _kernel(name: str) -> Kernel:
    return "math" if name == "math" else "fused"


@lru_cache(4096)
def _work(module: nn.Module, dim: int, height: int, width: int) -> tuple[Tally, tuple[str, ...]]:
    mode = CountingMode()
    run_pass(mode, module.eval(), image_border(1, dim, height, width).make(), False, "fused")
    return mode.total, tuple(sorted(mode.uncounted))


def _saved(module: nn.Module, dim: int, height: int, width: int, kernel: Kernel) -> int:
    border = image_border(1, dim, height, width)
    trace: TrainingTrace = trace_training_link(module, border, border, kernel, first=False)
    saved = trace.saved + (border.bytes if trace.saves_input else 0)
    return saved + (trace.output.bytes if trace.saves_output and not trace.passes_input else 0)
