"""The audit of the count: what other tools say about the same layouts, with their signed errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablate.report.main_table import measured
from ablate.report.numbers import scaled, signed, significant
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number


def audit_table(results: Results) -> Table | None:
    """One row per layout, pass, mode and tool; None when the study asks for no audit."""
    planned = results.planned("audit")
    if planned.empty:
        return None
    rows, raw = [], []
    for position, record in enumerate(planned.to_dict("records")):
        layout = str(record["layout"])
        step = "training step" if record["training"] else "forward"
        place = [Cell(text, sort=text) for text in (layout, step, str(record["mode"]))]
        tools = record["values"].get("rows") or ()
        if not tools:
            why = measured(planned.iloc[[position]], "macs", 1.0, 1)
            rows.append((*place, why, *(Cell("–") for _ in range(5))))
        for tool in tools:
            rows.append((*place, *_tool(tool)))
            raw.append(
                {
                    "layout": layout,
                    "pass": step,
                    "mode": record["mode"],
                    "resolution_px": record["resolution"],
                }
                | {key: tool.get(key) for key in ("tool", "version", "unit", "status", "macs")}
                | {"error_macs": tool.get("error"), "error_percent": tool.get("error_percent")}
                | {"left_out_macs": _named(tool, "left_out"), "added_macs": _named(tool, "added")}
                | {"unexplained_macs": tool.get("unexplained"), "seconds": tool.get("seconds")}
            )
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


def _tool(tool: Mapping[str, Any]) -> tuple[Cell, ...]:
    name = " ".join(str(tool.get(key) or "") for key in ("tool", "version")).strip()
    status = str(tool.get("status") or "")
    tone, hint = ("failed", status) if status.startswith("failed") else ("", "" if status == "ok" else status)
    cells = [Cell(name, sort=name, tone="failed" if tone else "", hint=hint)]
    macs, error, seconds = (_float(tool.get(key)) for key in ("macs", "error_percent", "seconds"))
    cells.append(number(macs, significant(macs / 1e9, 5)))
    cells.append(number(error, signed(error) if error else "0"))
    cells += [Cell(text, sort=text) for text in (_named(tool, "left_out"), _named(tool, "added"))]
    return (*cells, number(seconds, significant(seconds, 2)))


def _named(tool: Mapping[str, Any], key: str) -> str:
    """Operators with their MACs: `scaled_dot_product_attention 1.21 G`."""
    return ", ".join(f"{name} {scaled(float(macs))}" for name, macs in (tool.get(key) or {}).items())


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)
