"""Several tests at once: Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Iterable


def holm(ps: Iterable[float]) -> list[float]:
    """The p values corrected for their number (Holm, 1979), in the order given.

    With the corrected ones, the chance of any false claim in the family stays below the level of one test,
    whatever the tests depend on. A NaN, a test that could not be made, stays NaN and does not count. Raises
    `ValueError` for a number that is no probability.
    """
    ps = [float(p) for p in ps]
    for p in ps:
        if p < 0 or p > 1:
            raise ValueError(f"a p value lies between 0 and 1, got {p}")
    order = sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=ps.__getitem__)
    out, largest = [math.nan] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * ps[i]))
        out[i] = largest
    return out
