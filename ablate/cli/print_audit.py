"""How an audit looks on a terminal: one line per tool, and below it what the tool leaves out and adds."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from ablate.cli.terminal import console, errors, print_table
from ablate.cost.audit import AuditRow, AuditTable
from ablate.report.numbers import scaled


def print_audit(table: AuditTable) -> None:
    """The tools with their figures in MACs and their signed errors, then the operators that explain them."""
    step = "training step" if table.training else "forward"
    rows = [
        [
            f"{row.tool} {row.version.partition('+')[0]}",
            "-" if row.macs is None else f"{row.macs:,d}",
            "-" if row.error is None else f"{row.error:+,d}" if row.error else "0",
            "-" if row.error_percent is None else f"{row.error_percent:+.2f}" if row.error else "0",
            "-" if row.seconds is None else f"{row.seconds:.2f}",
        ]
        for row in table.rows
    ]
    print_table(f"audit, {table.mode}, {step}", ["tool", "MACs", "error, MACs", "error, %", "seconds"], rows)
    for row in table.rows:
        explanation = _explanation(row)
        if explanation:
            console.print(Padding(Text(f"{row.tool}: {explanation}"), (0, 0, 0, 2)))
    if table.mismatches:
        names = ", ".join(table.mismatches)
        errors.print(f"contradicts the count: {names}", style="bold red", markup=False)


def _explanation(row: AuditRow) -> str:
    parts = [] if row.status == "ok" else [row.status]
    for verb, operators in (("leaves out", row.left_out), ("adds", row.added)):
        if operators:
            parts.append(f"{verb} " + ", ".join(f"{name} {scaled(macs)}" for name, macs in operators))
    if row.unexplained:
        parts.append(f"{row.unexplained:+,d} MACs not explained")
    return "; ".join(parts)
