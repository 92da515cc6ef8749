"""What an audit says: one row per tool, with its error and the operators that explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Mode = Literal["as-called", "repaired"]
MODES: tuple[Mode, ...] = ("as-called", "repaired")

OK = "ok"
RULE_OF_THUMB = "rule of thumb: 3 x forward"
UNNEEDED = "gradients not needed (of the image)"


@dataclass(frozen=True)
class Reading:
    """What one tool said about one model, in MACs: its total, and the same by the names that it uses."""

    macs: int
    by_operator: Mapping[str, int]
    seconds: float
    status: str = OK


@dataclass(frozen=True)
class AuditRow:
    """One tool beside the count. All figures are MACs; `unit` says what the tool calls them."""

    tool: str
    version: str
    unit: str
    status: str  # "ok", "rule of thumb: ...", "failed: ..."
    macs: int | None
    error: int | None  # signed, tool minus count
    error_percent: float | None
    left_out: tuple[tuple[str, int], ...] = ()
    added: tuple[tuple[str, int], ...] = ()
    unexplained: int = 0  # the part of the error that the named operators do not account for
    seconds: float | None = None

    @property
    def failed(self) -> bool:
        """The tool gave no figure."""
        return self.macs is None


@dataclass(frozen=True)
class AuditTable:
    """The count of one model and what other tools say about it; the first row is the count itself."""

    name: str
    resolution: tuple[int, int]
    mode: Mode
    training: bool
    macs: int
    rows: tuple[AuditRow, ...]

    def row(self, tool: str) -> AuditRow:
        """The row of a tool by its name; `KeyError` if there is none."""
        for row in self.rows:
            if row.tool == tool:
                return row
        raise KeyError(tool)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """Tools that contradict the count.

        Repaired, a tool must give the same integer, and a rule of thumb must be off by the work that it
        cannot know and nothing else; as called, the named omissions and additions must add up to the error.
        A tool that failed says nothing.
        """
        exact = self.mode == "repaired"
        return tuple(
            row.tool
            for row in self.rows
            if not row.failed and (row.unexplained or (exact and row.status == OK and row.error))
        )

    @property
    def agrees(self) -> bool:
        """No tool contradicts the count, and at least one other tool has spoken."""
        return any(not row.failed for row in self.rows[1:]) and not self.mismatches

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger: numbers are MACs and seconds, errors are signed."""
        return {
            "name": self.name,
            "resolution": list(self.resolution),
            "mode": self.mode,
            "training": self.training,
            "macs": self.macs,
            "agrees": self.agrees,
            "mismatches": list(self.mismatches),
            "rows": [
                {**asdict(row), "left_out": dict(row.left_out), "added": dict(row.added)} for row in self.rows
            ],
        }

    def records(self) -> list[dict[str, str]]:
        """The rows as a reader wants them, by heading: MACs in G, errors in percent, operators by name."""
        return [
            {
                "tool": f"{row.tool} {row.version}".strip(),
                "GMACs": "-" if row.macs is None else f"{row.macs / 1e9:.4f}",
                "error %": "-" if row.error_percent is None else f"{row.error_percent:+.2f}",
                "error MACs": "-" if row.error is None else f"{row.error:+,d}",
                "left out": _named(row.left_out),
                "added": _named(row.added),
                "seconds": "-" if row.seconds is None else f"{row.seconds:.3f}",
                "note": _note(row),
            }
            for row in self.rows
        ]

    def to_markdown(self) -> str:
        """The table in Markdown, with one line above it that names the model and the mode."""
        title = (
            f"**{self.name}**, {self.resolution[0]} x {self.resolution[1]} px, "
            f"{'training step' if self.training else 'forward'}, {self.mode}"
        )
        return f"{title}\n\n{markdown(self.records())}"

    def to_latex(self) -> str:
        """The table as a LaTeX `tabular`."""
        import pandas as pd

        return str(pd.DataFrame(self.records()).to_latex(index=False, escape=True))


def markdown(records: Sequence[Mapping[str, str]]) -> str:
    """Records with the same headings as a Markdown table."""
    head = list(records[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(record.values()) + " |" for record in records])


def explain(called: Reading, repaired: Reading | None, count: int, unneeded: int = 0) -> dict[str, Any]:
    """Fields of a row that say where a tool's error comes from.

    The tool with its missing rules supplied is compared, name by name, with the tool as it is. `unneeded` is
    what three times the forward pass has too much: gradients that no one asks for, first that of the image.
    """
    error = called.macs - count
    fields: dict[str, Any] = {
        "macs": called.macs,
        "error": error,
        "error_percent": 100.0 * error / count if count else None,
        "seconds": called.seconds,
        "status": called.status,
    }
    if repaired is None:
        return {**fields, "unexplained": error}
    names = sorted(set(called.by_operator) | set(repaired.by_operator))
    change = {n: called.by_operator.get(n, 0) - repaired.by_operator.get(n, 0) for n in names}
    if called.status == RULE_OF_THUMB:
        change[UNNEEDED] = unneeded
    by_size = sorted(change.items(), key=lambda item: -abs(item[1]))
    return {
        **fields,
        "left_out": tuple((name, -value) for name, value in by_size if value < 0),
        "added": tuple((name, value) for name, value in by_size if value > 0),
        "unexplained": error - sum(change.values()),
    }


def _named(operators: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} {macs / 1e6:,.1f} M" for name, macs in operators) or "-"


def _note(row: AuditRow) -> str:
    parts = [row.unit] if row.status == OK else [row.status, row.unit]
    if row.unexplained:
        parts.insert(0, f"{row.unexplained:+,d} MACs not explained")
    return "; ".join(part for part in parts if part)
