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
    costs = [layout_cost(one, resolution, channels=channels, classes=classes, batch=batch) for one in (a, b)]
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
        ours = [link for link in first if link.place == place]
        theirs = [link for link in second if link.place == place]
        aligned = align(ours, theirs, _distance)
        pairs += aligned
    return pairs


def _distance(one: Link, other: Link) -> int | None:
    """How unlike two parts are: the same call, the same name, another name; None for different kinds."""
    if one.part.kind != other.part.kind:
        return None
    if one.part.call == other.part.call:
        return 0
    return 1 if one.part.call.name == other.part.call.name else 2


def _rows(pairs: Sequence[tuple[Link | None, Link | None]]) -> list[DiffRow]:
    """One row for every kind of change in a stage; pairs that cost the same and read the same are left
    out."""
    groups: dict[tuple[str, Change, str, str, str], list[tuple[Link | None, Link | None]]] = {}
    for one, other in pairs:
        link = one or other
        assert link is not None
        calls = str(one.part.call) if one else "", str(other.part.call) if other else ""
        detail = _detail(one, other) if one and other else ""
        change: Change = "swap" if calls[0] != calls[1] else "resize"
        if one is None or other is None:
            change = "insert" if one is None else "remove"
        elif change == "resize" and not detail:
            if one.costs == other.costs:
                continue
            detail = "follows from its neighbours"
        groups.setdefault((link.place, change, *calls, detail), []).append((one, other))
    return [
        DiffRow(
            *key,
            tuple((one.name if one else "", other.name if other else "") for one, other in group),
            sum((_costs(other) - _costs(one) for one, other in group), Costs()),
        )
        for key, group in groups.items()
    ]


def _costs(link: Link | None) -> Costs:
    return link.costs if link is not None else Costs()


def _detail(one: Link, other: Link) -> str:
    """What differs between two parts beside their calls: `width 64 to 80, heads 2 to 4`."""
    shown = {
        "channels in": (one.part.in_dim, other.part.in_dim) if one.part.kind != "block" else None,
        "width": (one.part.dim, other.part.dim) if one.part.kind != "head" else None,
        "heads": (one.part.heads, other.part.heads),
        **_recipe_changes(one.part.recipe, other.part.recipe),
        "stochastic depth": (one.drop_path, other.drop_path),
        "input": ("x".join(map(str, one.tokens)), "x".join(map(str, other.tokens))),
    }
    return ", ".join(f"{name} {p[0]} to {p[1]}" for name, p in shown.items() if p and p[0] != p[1])


def _recipe_changes(one: Recipe | None, other: Recipe | None) -> dict[str, tuple[Any, Any]]:
    """What stands around a mixer, before and after; nothing where either is a whole block."""
    if one is None or other is None:
        return {}
    return {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)}
