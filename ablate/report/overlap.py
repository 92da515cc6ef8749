"""Curves and points that lie on each other: what is done so that each is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ablate.report.style import LINE


def widths(curves: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """Line widths in points: a curve that others drawn after it would hide is wider, and shows as a rim."""
    names = [name for name, curve in curves.items() if curve]
    values = [value for name in names for value in curves[name].values() if value > 0]
    if not values:
        return dict.fromkeys(curves, LINE)
    near = max(math.log(max(values) / min(values)), 0.1) * 0.008
    wide = dict.fromkeys(curves, LINE)
    for index, name in enumerate(names):
        for later in names[index + 1 :]:
            common = curves[name].keys() & curves[later].keys()
            pairs = [(curves[name][side], curves[later][side]) for side in common]
            if pairs and all(min(pair) > 0 and abs(math.log(pair[0] / pair[1])) < near for pair in pairs):
                wide[name] = min(wide[name] + 1.0, LINE + 3.0)
    return wide


def crowd(curves: Mapping[str, Mapping[int, float]], near: float = 1.6) -> list[str]:
    """The largest group of curves, three or more, that lie within a factor of each other at every point.

    Empty where there is none, or where all curves do: then an axis of their own would show nothing new.
    """
    names = [name for name, curve in curves.items() if curve and min(curve.values()) > 0]
    best: list[str] = []
    for first in names:
        group = [
            name
            for name in names
            if (common := curves[first].keys() & curves[name].keys())
            and all(1 / near < curves[name][side] / curves[first][side] < near for side in common)
        ]
        best = max(best, group, key=len)
    return best if 3 <= len(best) < len(names) else []


def side_by_side(points: Mapping[str, float]) -> dict[str, float]:
    """Places on a logarithmic axis at which points with nearly equal values do not hide each other."""
    span = max(math.log(max(points.values()) / min(points.values())), 0.25)
    groups: list[list[str]] = []
    for name in sorted(points, key=points.__getitem__):
        if groups and math.log(points[name] / points[groups[-1][0]]) < 0.012 * span:
            groups[-1].append(name)
        else:
            groups.append([name])
    placed = {}
    for group in groups:
        for index, name in enumerate(sorted(group, key=list(points).index)):
            step = min(0.016, 0.1 / len(group))  # a crowd stays near its place
            shift = (index - (len(group) - 1) / 2) * step * span
            placed[name] = points[name] * math.exp(shift)
    return {name: placed[name] for name in points}
