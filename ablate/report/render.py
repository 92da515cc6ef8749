"""A table as CSV (raw, full precision), Markdown and LaTeX (as people read them)."""

from __future__ import annotations

from collections.abc import Mapping

from tabulate import tabulate

from ablate.report.latex import escape_latex, to_latex
from ablate.report.table import Cell, Table, footnotes

__all__ = ["escape_latex", "to_csv", "to_latex", "to_markdown"]


def to_csv(table: Table) -> str:
    """The raw numbers, in full precision; counts without a decimal point."""
    raw = table.raw.copy()
    for name in raw.select_dtypes("float"):
        known = raw[name].dropna()
        if (known % 1 == 0).all():
            raw[name] = raw[name].astype("Int64")
    for name in raw.select_dtypes(exclude="number"):
        raw[name] = raw[name].map(lambda value: escape_csv(value) if isinstance(value, str) else value)
    return raw.to_csv(index=False, lineterminator="\n")


def escape_csv(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a quote before a leading `=`, `+`, `-`, `@` or tab.

    Readers that are no spreadsheets see the quote. Signed numbers are numbers, and stay.
    """
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def to_markdown(table: Table) -> str:
    """Title, caption, a pipe table and the notes."""
    headers = [_markdown(f"{c.group}: {c.header}" if c.group else c.header) for c in table.columns]
    marks = footnotes(table)
    rows = [[_shown(cell, marks) for cell in row] for row in table.rows]
    align = ["left" if column.left else "right" for column in table.columns]
    body = ""
    if rows:
        body = tabulate(rows, headers, "pipe", colalign=align, disable_numparse=True)  # type: ignore[no-untyped-call,unused-ignore]
    reasons = [f"[{mark}] {note}" for note, mark in marks.items()]
    notes = "".join(f"- {_markdown(note)}\n" for note in (*reasons, *table.notes))
    return (
        "\n\n".join(
            part for part in (f"## {table.title}", _markdown(table.caption), body, notes.rstrip()) if part
        )
        + "\n"
    )


def _shown(cell: Cell, marks: Mapping[str, str]) -> str:
    text = _markdown(cell.text)
    if cell.mark:
        text = f"**{text}**" if cell.mark == "best" else f"<u>{text}</u>"
    return f"{text} [{marks[cell.note]}]" if cell.note in marks else text


def _markdown(text: str) -> str:
    for character in "\\`*|<>":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")
