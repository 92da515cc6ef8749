"""The Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def not_beaten(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points, all coordinates to be minimized, that no other point beats, in ascending order.

    `a` beats `b` when it is nowhere worse and somewhere better.
    """
    if not points:
        return []
    grid = np.asarray(points, dtype=float)
    beaten = [bool(((grid <= point).all(axis=1) & (grid < point).any(axis=1)).any()) for point in grid]
    return [index for index, is_beaten in enumerate(beaten) if not is_beaten]
