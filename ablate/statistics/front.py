"""Pareto fronts, the layers behind them, and the volume that a set of points dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Points = Sequence[Sequence[float]]


def not_beaten(points: Points) -> list[int]:
    """Indices of the points, all coordinates to be minimized, that no other point beats, in ascending order.

    `a` beats `b` when it is nowhere worse and somewhere better.
    """
    if not points:
        return []
    grid = np.asarray(points, dtype=float)
    beaten = [bool(((grid <= point).all(axis=1) & (grid < point).any(axis=1)).any()) for point in grid]
    return [index for index, is_beaten in enumerate(beaten) if not is_beaten]


def layers(points: Points) -> list[list[int]]:
    """The front, then the front of what is left, and so on: indices of the points."""
    left = list(range(len(points)))
    fronts = []
    while left:
        layer = [left[index] for index in not_beaten([points[index] for index in left])]
        fronts.append(layer)
        left = [index for index in left if index not in set(layer)]
    return fronts


def hypervolume(points: Points, reference: Sequence[float]) -> float:
    """The volume between the points, all coordinates to be minimized, and a reference point.

    Exact, by cutting along the last coordinate: between two neighbouring values the slice is the volume, one
    dimension lower, of the points below. Points that are not below the reference everywhere add nothing.
    """
    inside = [tuple(point) for point in points if all(x < r for x, r in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return float(reference[0]) - min(point[0] for point in inside)
    inside.sort(key=lambda point: point[-1])
    volume = 0.0
    ends = [point[-1] for point in inside[1:]] + [float(reference[-1])]
    for count, (point, end) in enumerate(zip(inside, ends, strict=True), start=1):
        if end > point[-1]:
            below = [other[:-1] for other in inside[:count]]
            kept = [below[index] for index in not_beaten(below)]
            volume += (end - point[-1]) * hypervolume(kept, reference[:-1])
    return volume


def spread_out(points: Points, count: int) -> list[int]:
    """Up to `count` points that stand for all of them: layer by layer, and from a layer that is too large
    those that dominate most together, one after the other.

    Coordinates count relative to their range; the reference lies a tenth of it beyond the worst.
    """
    grid = np.asarray(points, dtype=float)
    if not len(grid):
        return []
    low, high = grid.min(axis=0), grid.max(axis=0)
    scaled = ((grid - low) / np.where(high > low, high - low, 1.0)).tolist()
    reference = [1.1] * grid.shape[1]
    chosen: list[int] = []
    for layer in layers(points):
        room = count - len(chosen)
        if len(layer) <= room:
            chosen += layer
            continue
        picked: list[int] = []
        for _ in range(room):
            left = [index for index in layer if index not in picked]
            picked.append(
                max(left, key=lambda index: hypervolume([scaled[i] for i in [*picked, index]], reference))
            )
        chosen += picked
        break
    return chosen
