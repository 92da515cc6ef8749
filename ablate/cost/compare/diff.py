"""What differs between two layouts, and how the difference in cost splits over it.

The chains of parts are laid side by side, stage by stage; within a stage the blocks are aligned so that as
few as possible change. Every row is one kind of change, with what it costs. Parameters, MACs, element-wise
operations, bytes moved, saved activations and roofline time are sums over the parts, so the rows add up to
the whole difference: the integers exactly, the time but for rounding. Peaks are maxima, not sums: they are
given for both layouts with the part in which they occur, and are not split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from ablate.cost.compare.alignment import align
from ablate.cost.compare.shares import Costs, Link, Peak, inference_peak_of, links, total_costs
from ablate.cost.layouts import layout_cost
from ablate.cost.operators.kernel import KERNELS, Kernel
from ablate.cost.roofline import MachinePeak, machine_peak
from ablate.layout.network import Network
from ablate.layout.recipe import Recipe

Change: TypeAlias = Literal["swap", "insert", "remove", "resize"]


@dataclass(frozen=True)
class DiffRow:
    """One change in one stage: `parts` are the names in the first and in the second layout, `delta` b - a."""

    place: str
    change: Change
    before: str
    after: str
    detail: str  # what else changes: `width 64 to 80`
    parts: tuple[tuple[str, str], ...]
    delta: Costs

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "parts": [list(pair) for pair in self.parts], "delta": vars(self.delta)}


@dataclass(frozen=True)
class LayoutDiff:
    """The changes from layout a to layout b; `rows` add up to `after - before`."""

    a: str
    b: str
    resolution: tuple[int, int]
    batch: int
    rows: tuple[DiffRow, ...]
    before: Costs
    after: Costs
    peaks: dict[Kernel, tuple[Peak, Peak]]

    @property
    def total(self) -> Costs:
        """The whole difference."""
        return self.after - self.before

    def to_json(self) -> dict[str, Any]:
        """Plain data; MACs, bytes and milliseconds of the whole batch."""
        return {
            "a": self.a,
            "b": self.b,
            "resolution": list(self.resolution),
            "batch": self.batch,
            "rows": [row.to_json() for row in self.rows],
            "before": vars(self.before),
            "after": vars(self.after),
            "total": vars(self.total),
            "inference_peak": {
                kernel: {"before": vars(first), "after": vars(second)}
                for kernel, (first, second) in self.peaks.items()
            },
        }


def diff(
    a: Network,
    b: Network,
    resolution: int | tuple[int, int] = 224,
    *,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
    peak: MachinePeak | None = None,
) -> LayoutDiff:
    """Compare two layouts for images of a resolution. Without `peak` this machine's is measured for the time.

    A timm model is not made of parts: it is compared as a whole, in one row.
    Raises `AblateError` when a layout cannot be counted.
    """
    limits = peak or machine_peak()
    costs = [
        layout_cost(layout, resolution, channels=channels, classes=classes, batch=batch) for layout in (a, b)
    ]
    before, after = (total_costs(cost, limits) for cost in costs)
    if not all(cost.source.links for cost in costs):
        rows = [DiffRow("whole", "swap", a.text, b.text, "", (("", ""),), after - before)] if a != b else []
    else:
        first, second = (links(cost, limits) for cost in costs)
        rows = _rows(_pairs(first, second))
    peaks = {
        kernel: (inference_peak_of(costs[0], kernel), inference_peak_of(costs[1], kernel))
        for kernel in KERNELS
    }
    return LayoutDiff(a.name, b.name, costs[0].resolution, batch, tuple(rows), before, after, peaks)


def _pairs(first: Sequence[Link], second: Sequence[Link]) -> list[tuple[Link | None, Link | None]]:
    """The links of both chains side by side, stage by stage."""
    places = dict.fromkeys(link.place for link in (*first, *second) if link.place != "head")
    pairs: list[tuple[Link | None, Link | None]] = []
    for place in (*places, "head"):
        left = [link for link in first if link.place == place]
        right = [link for link in second if link.place == place]
        aligned = align(left, right, _distance)
        pairs += aligned
    return pairs


def _distance(left: Link, right: Link) -> int | None:
    """How unlike two parts are: the same call, the same name, another name; None for different kinds."""
    if left.part.kind != right.part.kind:
        return None
    if left.part.call == right.part.call:
        return 0
    return 1 if left.part.call.name == right.part.call.name else 2


def _rows(pairs: Sequence[tuple[Link | None, Link | None]]) -> list[DiffRow]:
    """One row for every kind of change in a stage; pairs that cost the same and read the same are left
    out."""
    groups: dict[tuple[str, Change, str, str, str], list[tuple[Link | None, Link | None]]] = {}
    for left, right in pairs:
        link = left or right
        assert link is not None
        calls = str(left.part.call) if left else "", str(right.part.call) if right else ""
        detail = _detail(left, right) if left and right else ""
        change: Change = "swap" if calls[0] != calls[1] else "resize"
        if left is None or right is None:
            change = "insert" if left is None else "remove"
        elif change == "resize" and not detail:
            if left.costs == right.costs:
                continue
            detail = "follows from its neighbours"
        groups.setdefault((link.place, change, *calls, detail), []).append((left, right))
    return [
        DiffRow(
            *key,
            tuple((left.name if left else "", right.name if right else "") for left, right in group),
            sum((_costs(right) - _costs(left) for left, right in group), Costs()),
        )
        for key, group in groups.items()
    ]


def _costs(link: Link | None) -> Costs:
    return link.costs if link is not None else Costs()


def _detail(left: Link, right: Link) -> str:
    """What differs between two parts beside their calls: `width 64 to 80, heads 2 to 4`."""
    shown = {
        "channels in": (left.part.in_dim, right.part.in_dim) if left.part.kind != "block" else None,
        "width": (left.part.dim, right.part.dim) if left.part.kind != "head" else None,
        "heads": (left.part.heads, right.part.heads),
        **_recipe_changes(left.part.recipe, right.part.recipe),
        "stochastic depth": (left.drop_path, right.drop_path),
        "input": ("x".join(map(str, left.tokens)), "x".join(map(str, right.tokens))),
    }
    return ", ".join(f"{name} {p[0]} to {p[1]}" for name, p in shown.items() if p and p[0] != p[1])


def _recipe_changes(left: Recipe | None, right: Recipe | None) -> dict[str, tuple[Any, Any]]:
    """What stands around a mixer, before and after; nothing where either is a whole block."""
    if left is None or right is None:
        return {}
    return {field.name: (getattr(left, field.name), getattr(right, field.name)) for field in fields(left)}
