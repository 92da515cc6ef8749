"""How the published record looks on a terminal and as JSON: the audit's rows, the choice within a budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ablate.cli.terminal import console, print_table
from ablate.layout.sizes import format_quantity
from ablate.published.causes import Row
from ablate.published.choose import Budget, Candidate, Choice, Place

if TYPE_CHECKING:
    from ablate.cost.layouts import LayoutCost

_FEW = 60


def row_json(row: Row) -> dict[str, Any]:
    """One pair: published figures and counts, the error (published minus counted, percent), the cause."""
    return {
        **asdict(row.figure),
        "timm": row.timm,
        "params": row.params,
        "macs": row.macs,
        "error_percent": row.error_percent,
        "params_agree": row.params_agree,
        "cause": row.cause,
        "reproduced_macs": row.again,
        "explanation": row.explanation,
    }


def print_rows(rows: Sequence[Row]) -> None:
    """The rows of a small audit, of a large one those that are off; then how many there are of each cause."""
    shown = rows if len(rows) <= _FEW else [row for row in rows if row.cause not in ("", "rounding")]
    print_table(
        "published costs of timm",
        ["model", "cause", "px", "published GMACs", "GMACs", "off by, %"],
        [
            [
                row.figure.model,
                row.cause or "-",
                row.figure.resolution,
                f"{row.figure.gmacs:.2f}",
                "-" if row.macs is None else f"{row.macs / 1e9:.4f}",
                "-" if row.error_percent is None else f"{row.error_percent:+.2f}",
            ]
            for row in shown
        ],
        text_columns=2,
    )
    counted = Counter(row.cause or "within 1 %" for row in rows)
    print_table("", ["cause", "pairs"], counted.most_common())


def choice_json(
    choice: Choice, device: str | None, cost: LayoutCost | None, lies: Place | None
) -> dict[str, Any]:
    """MACs and parameters as counted, memory in bytes, published top-1 in percent and images per second."""
    data: dict[str, Any] = {
        "within": choice.within,
        "device": device,
        "models": [asdict(candidate) for candidate in choice.shown],
        "front": [asdict(candidate) for candidate in choice.front],
    }
    if cost is not None and lies is not None:
        data["layout"] = {
            "name": cost.layout.name,
            "macs": cost.macs,
            "params": cost.params,
            "memory": _memory(cost),
            "cheaper": lies.cheaper,
            "of": lies.of,
            "below": None if lies.below is None else asdict(lies.below),
            "above": None if lies.above is None else asdict(lies.above),
        }
    return data


def print_choice(
    choice: Choice, device: str | None, cost: LayoutCost | None, lies: Place | None, budget: Budget
) -> None:
    """The models within the budget, the front, and the place of a layout in cost."""
    front = {(c.model, c.resolution) for c in choice.front}
    _print_models("the most accurate within the budget", choice.shown, front, device)
    _print_models("the front", choice.front, front, device)
    legend = f"* on the front of MACs and accuracy{'' if device is None else ' and speed'}"
    console.print(
        f"{legend}. MACs and parameters are counted, memory is predicted (one image, fp32); accuracy and "
        f"speed are published. {choice.within} models keep to the limits on MACs and parameters.",
        markup=False,
        highlight=False,
    )
    if cost is not None and lies is not None:
        console.print(_told(cost, lies, budget), markup=False, highlight=False)


def _print_models(
    title: str, models: Sequence[Candidate], front: set[tuple[str, int]], device: str | None
) -> None:
    """Names are never cut: they are what a reader takes away."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("px", "GMACs", "params, M", "MiB", "top-1, %", *([] if device is None else ["images/s"])):
        table.add_column(heading, justify="right")
    for model in models:
        mark = " *" if (model.model, model.resolution) in front else ""
        cells = [
            model.model + mark,
            str(model.resolution),
            f"{model.macs / 1e9:.3f}",
            f"{model.params / 1e6:.2f}",
            "-" if model.memory is None else f"{model.memory / 2**20:.1f}",
            "-" if model.top1 is None else f"{model.top1:.2f}",
        ]
        if device is not None:
            cells.append("-" if model.speed is None else f"{model.speed:,.0f}")
        table.add_row(*cells)
    console.print(table)


def _told(cost: LayoutCost, lies: Place, budget: Budget) -> str:
    memory = _memory(cost)
    keeps = (
        "keeps to the budget"
        if budget.allows(cost.macs, cost.params, memory)
        else "does not keep to the budget"
    )
    near = [
        f"{word} {c.model} at {c.resolution} px ({format_quantity(c.macs)} MACs)"
        for word, c in (("above", lies.below), ("below", lies.above))
        if c is not None
    ]
    between = f", {' and '.join(near)}" if near else ""
    return (
        f"{cost.layout.name}: {format_quantity(cost.macs)} MACs, {format_quantity(cost.params)} parameters, "
        f"{memory / 2**20:.1f} MiB; it {keeps}. {lies.cheaper} of the {lies.of} models have fewer "
        f"MACs{between}. Its accuracy is not compared: it was not measured under their protocol."
    )


def _memory(cost: LayoutCost) -> int:
    memory = cost.memory_of("fused")
    return memory.weights + memory.inference_peak
