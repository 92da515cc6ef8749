"""The audit of the count: what other tools say about the same layouts, with their signed errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablate.measurements.audit import AuditValues, ToolRow
from ablate.report.cells import why_not
from ablate.report.numbers import scaled, signed, significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number


@table("audit", order=100)
def audit_table(results: Results) -> Table | None:
    """One row per layout, pass, mode and tool; None when the study asks for no audit."""
    planned = results.planned("audit")
    if not planned:
        return None
    rows, raw = [], []
    for record in planned:
        step = "training step" if record.at("training") else "forward"
        mode = str(record.at("mode"))
        place = [Cell(text, sort=text) for text in (record.layout, step, mode)]
        tools = record.values.rows if isinstance(record.values, AuditValues) else ()
        if not tools:
            rows.append((*place, why_not(record), *(Cell("–") for _ in range(5))))
        where = {
            "layout": record.layout,
            "pass": step,
            "mode": mode,
            "resolution_px": record.at("resolution"),
        }
        for tool in tools:
            rows.append((*place, *_tool(tool)))
            raw.append(where | _raw(tool))
    heads = ("Layout", "pass", "mode", "tool", "MACs (G)", "error (%)", "left out", "added", "s")
    left = {"Layout", "pass", "mode", "tool", "left out", "added"}
    return Table(
        "audit",
        "Audit of the count",
        "The same models through other tools. The error is signed, tool minus count; as-called: as users "
        "call the tool, repaired: with its missing rules supplied.",
        tuple(Column(head, left=head in left) for head in heads),
        tuple(rows),
        pd.DataFrame(raw),
        ("Operators that a tool leaves out or adds are named with their MACs.",),
    )


def _tool(tool: ToolRow) -> tuple[Cell, ...]:
    name = f"{tool.tool} {tool.version or ''}".strip()
    failed = tool.status.startswith("failed")
    hint = "" if tool.status == "ok" else tool.status
    macs, error, seconds = (
        math.nan if value is None else float(value) for value in (tool.macs, tool.error_percent, tool.seconds)
    )
    return (
        Cell(name, sort=name, tone="failed" if failed else "", hint=hint),
        number(macs, significant(macs / 1e9, 5)),
        number(error, signed(error) if error else "0"),
        *(Cell(text, sort=text) for text in (_named(tool.left_out), _named(tool.added))),
        number(seconds, significant(seconds, 2)),
    )


def _raw(tool: ToolRow) -> dict[str, Any]:
    return {
        "tool": tool.tool,
        "version": tool.version,
        "unit": tool.unit,
        "status": tool.status,
        "macs": tool.macs,
        "error_macs": tool.error,
        "error_percent": tool.error_percent,
        "left_out_macs": _named(tool.left_out),
        "added_macs": _named(tool.added),
        "unexplained_macs": tool.unexplained,
        "seconds": tool.seconds,
    }


def _named(operators: Mapping[str, int]) -> str:
    """Operators with their MACs: `scaled_dot_product_attention 1.21 G`."""
    return ", ".join(f"{name} {scaled(float(macs))}" for name, macs in operators.items())
