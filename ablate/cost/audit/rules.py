"""MACs of the matmul-like operators, from shapes alone.

These are the rules that the other tools lack, written a second time and apart from those of
`ablate.cost.operators.rules`: a mistake in one of the two shows up as a disagreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Shape = Sequence[int]


def matmul(a: Shape, b: Shape) -> int:
    """`a @ b`, batch axes broadcast, vectors allowed: (..., m, k) x (..., k, n) costs batch * m * k * n."""
    m, k = (1, a[0]) if len(a) == 1 else (a[-2], a[-1])
    n = 1 if len(b) == 1 else b[-1]
    return _broadcast(a[:-2], b[:-2]) * m * k * n


def linear(x: Shape, weight: Shape) -> int:
    """`x @ weight.T`, weight (out, in) or (in,); the bias is an addition and costs no MAC."""
    return prod(x) * (weight[0] if len(weight) == 2 else 1)


def convolution(x: Shape, weight: Shape, out: Shape, transposed: bool = False) -> int:
    """Each output position (input position when transposed) meets each weight once, whatever the groups."""
    return int(x[0]) * prod(weight) * prod((x if transposed else out)[2:])


def attention(query: Shape, key: Shape, value: Shape) -> int:
    """`Q K^T` and `A V`, (..., N, d) x (..., M, d) and (..., N, M) x (..., M, e), no mask taken off."""
    pairs = prod(query[:-1]) * key[-2]
    return pairs * (query[-1] + value[-1])


def einsum(equation: str, shapes: Sequence[Shape]) -> int:
    """A contraction of two operands, as PyTorch runs it.

    An axis of one operand alone that the result has not is summed first, and a contracted axis of one element
    is none: where nothing is left to contract, the product is element-wise and costs 0. Raises
    `NotImplementedError` for more than two operands, where the cost depends on the order of the contractions.
    """
    equation = equation.replace(" ", "")
    if "->" not in equation or len(shapes) > 2:
        raise NotImplementedError(f"no rule for einsum {equation!r}")
    if len(shapes) < 2:
        return 0
    terms, result = equation.split("->")
    first, second = (
        dict(zip(_axes(term, len(shape)), shape, strict=True))
        for term, shape in zip(terms.split(","), shapes, strict=True)
    )
    sizes = {axis: max(first.get(axis, 1), second.get(axis, 1)) for axis in first | second}
    kept = {axis for axis in sizes if axis in result or axis.isdigit()}
    contracted = {
        axis for axis in sizes if axis not in kept and min(first.get(axis, 1), second.get(axis, 1)) > 1
    }
    return prod(sizes[axis] for axis in kept | contracted) if contracted else 0


def _axes(term: str, rank: int) -> list[str]:
    """Names of a term's axes; those behind an ellipsis are numbered from the right."""
    if "..." not in term:
        return list(term)
    before, after = term.split("...")
    hidden = rank - len(before) - len(after)
    return [*before, *(str(index) for index in range(hidden, 0, -1)), *after]


def _broadcast(a: Shape, b: Shape) -> int:
    size = 1
    for index in range(1, max(len(a), len(b)) + 1):
        left = a[-index] if index <= len(a) else 1
        right = b[-index] if index <= len(b) else 1
        size *= max(left, right)
    return size
