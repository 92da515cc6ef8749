"""Who costs what: a layout's parameters and work by stage, by module or by kind of operator, with shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ablate.cost.count import Count, Tally, count
from ablate.cost.inputs import image_size
from ablate.cost.layouts import layout_cost
from ablate.cost.parts import image_border
from ablate.errors import AblateError, did_you_mean
from ablate.layout.network import Network
from ablate.layout.timm_model import TimmModel

COLUMNS: Mapping[str, str] = {
    "params": "parameters",
    "macs": "MACs",
    "elementwise": "element-wise",
    "bytes": "bytes moved",
    "activations": "activations",
}
"""Quantity -> the heading of its column."""


@dataclass(frozen=True)
class Share:
    """One row: amounts by quantity (see `COLUMNS`), and each one's share of the whole, 0 to 1."""

    name: str
    amounts: dict[str, int]
    shares: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Name, amounts and shares."""
        return {"name": self.name, **self.amounts, "shares": self.shares}


def quantities_of(by: str) -> tuple[str, ...]:
    """The quantities that such a table has: operators own no parameters."""
    return tuple(COLUMNS)[1:] if by == "operator" else tuple(COLUMNS)


def breakdown(
    layout: Network,
    by: str,
    sort: str | None = None,
    *,
    resolution: int | tuple[int, int] = 224,
    channels: int = 3,
    classes: int = 1000,
    batch: int = 1,
    depth: int = 2,
    training: bool = False,
) -> tuple[Share, ...]:
    """Rows that add up to the whole, in the order of execution or the greatest `sort` first (or by `name`).

    `by` is "stage", "module" (down to `depth` levels: a module includes what it holds below) or "operator";
    with `training`, operators are those of a training step, backward pass included. A shared parameter is
    the first module's. Raises `AblateError` for another word, and when a block refuses its size.
    """
    if by not in _ROWS:
        raise AblateError(f"cannot count by {by!r}{did_you_mean(by, list(_ROWS))}")
    orders = (*quantities_of(by), "name")
    if sort is not None and sort not in orders:
        raise AblateError(f"cannot sort by {sort!r}{did_you_mean(sort, orders)}")
    if training and by != "operator":
        raise AblateError("a training step is told apart by operator alone: use --by operator")
    sizes = {"channels": channels, "classes": classes, "batch": batch}
    rows = _shared(list(_ROWS[by](layout, resolution, sizes, depth, training)))
    if sort == "name":
        rows.sort(key=lambda row: row.name)
    elif sort is not None:
        rows.sort(key=lambda row: -row.amounts[sort])
    return tuple(rows)


Amounts = tuple[str, dict[str, int]]


def _shared(rows: list[Amounts]) -> list[Share]:
    totals: dict[str, int] = {}
    for _, amounts in rows:
        for quantity, amount in amounts.items():
            totals[quantity] = totals.get(quantity, 0) + amount
    return [
        Share(
            name,
            amounts,
            {key: amount / totals[key] if totals[key] else 0.0 for key, amount in amounts.items()},
        )
        for name, amounts in rows
    ]


def _by_stage(
    layout: Network, resolution: Any, sizes: Mapping[str, int], depth: int, training: bool
) -> Iterable[Amounts]:
    for row in layout_cost(layout, resolution, **sizes).stage_rows:
        yield row.name, {"params": row.params, **vars(row.work)}


def _by_operator(
    layout: Network, resolution: Any, sizes: Mapping[str, int], depth: int, training: bool
) -> Iterable[Amounts]:
    _, counted = _counted(layout, resolution, sizes, training)
    for name, work in counted.by_operator.items():
        if any(vars(work).values()):
            mark = " (uncounted)" if name in counted.uncounted else ""
            yield name + mark, dict(vars(work))


def _by_module(
    layout: Network, resolution: Any, sizes: Mapping[str, int], depth: int, training: bool
) -> Iterable[Amounts]:
    module, counted = _counted(layout, resolution, sizes, training)
    inside: dict[str, Tally] = {}  # of a module's direct children together
    for path, work in counted.by_module.items():
        if path:
            above = path.rpartition(".")[0]
            inside[above] = inside.get(above, Tally()) + work
    rows: dict[str, dict[str, int]] = {}
    for path, _ in module.named_modules():
        row = rows.setdefault(".".join(path.split(".")[:depth]), dict.fromkeys(COLUMNS, 0))
        own, below = counted.by_module.get(path, Tally()), inside.get(path, Tally())
        for quantity in quantities_of("operator"):
            row[quantity] += getattr(own, quantity) - getattr(below, quantity)
    for path, parameter in module.named_parameters():
        layer_path = path.rpartition(".")[0]
        rows[".".join(layer_path.split(".")[:depth])]["params"] += parameter.numel()
    for path, row in rows.items():
        if any(row.values()):
            yield path or "(the model itself)", row


def _counted(
    layout: Network, resolution: Any, sizes: Mapping[str, int], training: bool
) -> tuple[nn.Module, Count]:
    channels, classes, batch = sizes["channels"], sizes["classes"], sizes["batch"]
    if isinstance(layout, TimmModel):
        module = layout.build(classes, channels, resolution=resolution)
        return module, count(module, resolution, channels=channels, batch=batch, training=training)
    with torch.device("meta"):
        module = layout.build(classes, channels).to(memory_format=torch.channels_last)
    image = image_border(batch, channels, *image_size(resolution)).make()
    return module, count(module, inputs=[image], training=training)


_ROWS: Mapping[str, Callable[..., Iterable[Amounts]]] = {
    "stage": _by_stage,
    "module": _by_module,
    "operator": _by_operator,
}
