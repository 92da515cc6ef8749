"""Aligns two sequences so that as little as possible changes: a weighted edit distance (Wagner & Fischer,
1974)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
GAP = 2  # inserting or removing one item costs as much as swapping it for an unlike one


def align(
    a: Sequence[T], b: Sequence[T], distance: Callable[[T, T], int | None]
) -> list[tuple[T | None, T | None]]:
    """Pairs in order; None stands for an item that was inserted (on the left) or removed (on the right).

    `distance` says what swapping costs, None that two items may not stand side by side. Of alignments that
    cost the same, the one with the most pairs is taken, and of those the one that pairs early items.
    """
    # best[i][j]: (cost, unpaired items) of aligning a[i:] with b[j:]
    best = [
        [((len(a) - i + len(b) - j) * GAP, len(a) - i + len(b) - j) for j in range(len(b) + 1)]
        for i in range(len(a) + 1)
    ]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            best[i][j] = min(score for score, _ in _moves(a, b, i, j, best, distance))
    pairs: list[tuple[T | None, T | None]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        _, (down, right) = min(_moves(a, b, i, j, best, distance), key=lambda move: (move[0], -sum(move[1])))
        pairs.append((a[i] if down else None, b[j] if right else None))
        i, j = i + down, j + right
    return pairs


def _moves(
    a: Sequence[T],
    b: Sequence[T],
    i: int,
    j: int,
    best: list[list[tuple[int, int]]],
    distance: Callable[[T, T], int | None],
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(score, (items of a, items of b) taken) of the next step."""
    moves = []
    if i < len(a) and j < len(b):
        swap = distance(a[i], b[j])
        if swap is not None:
            cost, gaps = best[i + 1][j + 1]
            moves.append(((cost + swap, gaps), (1, 1)))
    if i < len(a):
        cost, gaps = best[i + 1][j]
        moves.append(((cost + GAP, gaps + 1), (1, 0)))
    if j < len(b):
        cost, gaps = best[i][j + 1]
        moves.append(((cost + GAP, gaps + 1), (0, 1)))
    return moves
