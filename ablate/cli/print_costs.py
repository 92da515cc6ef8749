"""How the costs of one layout look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.padding import Padding
from rich.text import Text

from ablate.cli.terminal import console, errors, print_table
from ablate.contract import Verdict, uncounted_operators
from ablate.cost.breakdown import COLUMNS, Share
from ablate.cost.formula.find import Quantity, formulas, size_arguments
from ablate.layout.call import BlockCall
from ablate.report.numbers import scaled
from blocks import Entry


def print_cost(name: str, cost: dict[str, Any]) -> None:
    """The stages, the totals and the memory of one layout, from `LayoutCost.to_json`."""
    resolution = cost["resolution"]
    size = f"{resolution} x {resolution}" if isinstance(resolution, int) else "{} x {}".format(*resolution)
    rows = [
        [
            stage["name"],
            "x".join(map(str, stage["resolution"])) or "",
            *(scaled(stage[key]) for key in ("params", "macs", "elementwise", "activations")),
        ]
        for stage in cost["stages"]
    ]
    totals = [scaled(cost[key]) for key in ("params", "macs", "elementwise", "activations")]
    columns = ["stage", "output", "parameters", "MACs", "element-wise ops", "activations"]
    print_table(f"{name} at {size}", columns, [*rows, ["total", "", *totals]])
    training = scaled(cost["training_macs"])
    console.print(f"FLOPs {scaled(cost['flops'])} (2 x MACs); a training step {training} MACs")
    print_memory(cost["memory"])
    if cost["uncounted"]:
        errors.print(f"uncounted operators: {', '.join(cost['uncounted'])}", style="bold red", markup=False)


def print_breakdown(title: str, rows: Sequence[Share], quantities: Sequence[str]) -> None:
    """Who costs what, with each quantity's share of the whole."""
    quantities = [quantity for quantity in quantities if quantity != "activations"]  # --json has them
    columns = [COLUMNS[quantity] for quantity in quantities]
    lines = [
        [
            row.name.removeprefix("aten."),
            *(_with_share(row.amounts.get(key), row.shares.get(key)) for key in quantities),
        ]
        for row in rows
    ]
    print_table(title, ["", *columns], lines)


def _with_share(amount: int | None, share: float | None) -> str:
    if amount is None:
        return ""
    return scaled(amount) if share is None else f"{scaled(amount)} {100 * share:.1f}%"


def print_memory(memory: dict[str, Any]) -> None:
    """Predicted bytes with either attention kernel."""
    fixed = ("weights", "gradients", "optimizer")
    console.print("memory: " + ", ".join(f"{key} {scaled(memory[key], 'B')}" for key in fixed))
    kinds = {
        "inference_peak": "inference peak",
        "saved_activations": "saved activations",
        "training_peak": "training peak",
    }
    rows = [
        [
            kernel + (" (this device's kernel)" if kernel == memory["device_kernel"] else ""),
            *(scaled(memory[kernel][key], "B") for key in kinds),
        ]
        for kernel in ("fused", "math")
    ]
    print_table("", ["attention kernel", *kinds.values()], rows)


SUMMARY_AT = {"dim": 64, "num_heads": 2, "tokens": 784}
"""Channels, heads and positions that `ablate blocks` gives summary sizes for: a first stage at 112 px."""


def block_record(entry: Entry, quantities: Sequence[Quantity], symbols: bool) -> dict[str, Any]:
    """One block for `ablate blocks`: arguments with types and defaults, and its formulas as strings."""
    by_quantity = formulas(entry.name, quantities, size_arguments(entry.name) if symbols else ())
    return {
        "name": entry.name,
        "kind": entry.kind,
        "summary": entry.summary,
        "arguments": [
            {"name": a.name, "type": a.type_name, "default": a.default} for a in entry.arguments.values()
        ],
        **{quantity: str(formula) for quantity, formula in by_quantity.items()},
        "order": formulas(entry.name, ("macs",))["macs"].order,
        "summary_size": _summary_size(entry),
        "conditions": {quantity: f.condition for quantity, f in by_quantity.items() if f.condition},
        "reasons": {quantity: f.reason for quantity, f in by_quantity.items() if f.reason},
        "uncounted": list(uncounted_operators(BlockCall(entry.name))),
    }


def _summary_size(entry: Entry) -> dict[str, Any] | None:
    """How many numbers a mixer keeps of an image, at one size; None where it does not say."""
    if entry.kind != "mixer":
        return None
    arguments = {argument.name: argument.default for argument in entry.arguments.values()}
    return SUMMARY_AT | {"numbers": entry.summary_size(**SUMMARY_AT, **arguments)}


def print_blocks(records: Sequence[dict[str, Any]]) -> None:
    """A table of blocks, their arguments below."""
    fixed = (
        "name",
        "kind",
        "summary",
        "arguments",
        "order",
        "summary_size",
        "conditions",
        "reasons",
        "uncounted",
    )
    quantities = [key for key in records[0] if key not in fixed]
    sizes = any(record["summary_size"] for record in records)
    rows = [
        [r["name"], r["order"], *([_numbers(r)] if sizes else []), *(r[quantity] for quantity in quantities)]
        for r in records
    ]
    columns = ["block", "order", *(["summary"] if sizes else []), *quantities]
    print_table("formulas for one image", columns, rows, text_columns=len(columns))
    if sizes:
        at = "C = {dim}, {num_heads} heads, N = {tokens}".format(**SUMMARY_AT)
        console.print(
            f"summary: numbers about an image that do not depend on the query, at {at}", style="dim"
        )
    for record in records:
        arguments = ", ".join(f"{a['name']}: {a['type']} = {a['default']}" for a in record["arguments"])
        console.print(f"{record['name']}({arguments})", markup=False, highlight=False)
        notes = [f"{quantity}: where {text}" for quantity, text in record["conditions"].items()]
        notes += [f"{quantity}: none, {text}" for quantity, text in record["reasons"].items()]
        console.print(Padding(Text("\n".join([record["summary"], *notes])), (0, 0, 0, 4)))
        if record["uncounted"]:
            errors.print(f"    uncounted operators: {', '.join(record['uncounted'])}", style="bold red")


def _numbers(record: dict[str, Any]) -> str:
    size = record["summary_size"]
    return "–" if size is None or size["numbers"] is None else f"{size['numbers']:,}"


def print_verdicts(name: str, verdicts: Sequence[Verdict]) -> None:
    """The contract, clause by clause."""
    rows = [[v.clause, "holds" if v.ok else "FAILS", v.detail] for v in verdicts]
    print_table(f"contract of {name}", ["clause", "verdict", "detail"], rows, text_columns=3)
