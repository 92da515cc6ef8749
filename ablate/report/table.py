"""A table before it has a format: cells as people read them beside the raw numbers they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from ablate.report.numbers import NOTHING

Tone = Literal["", "failed", "tie", "flag"]
Mark = Literal["", "best", "second"]
_WORDS = {
    "missing": "not run yet",
    "stale": "measured with other code or settings than now, and not used",
    "oom": "out of memory",
    "timeout": "longer than its limit",
}


@dataclass(frozen=True)
class Column:
    """A column's heading with its unit, the group of columns it stands under, and its alignment.

    `key` is what a study file may call it by, such as the name of its quantity.
    """

    header: str
    group: str = ""
    left: bool = False
    key: str = ""


@dataclass(frozen=True)
class Cell:
    """What is printed, what it is sorted by (the raw number or a text), and how it is to be taken.

    `hint` is shown where there is room for it (as a tooltip); `latex` replaces the escaped text in LaTeX.
    `mark` says that it is the best of its column, or the second, among what the errors tell apart.
    """

    text: str
    sort: float | str | None = None
    tone: Tone = ""
    hint: str = ""
    latex: str | None = None
    mark: Mark = ""

    @property
    def note(self) -> str:
        """Why there is no number, for a footnote; empty where nothing more than the word is known."""
        if self.tone != "failed":
            return ""
        known = self.hint or "; ".join(_WORDS[word] for word in self.text.split(", ") if word in _WORDS)
        return f"{self.text}: {known}" if known else ""


@dataclass(frozen=True)
class Table:
    """One table of the report: `rows` for people, `raw` in full precision with units in its column names."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    raw: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: a row of {len(row)} cells under {len(self.columns)} columns"
                )


def footnotes(table: Table) -> dict[str, str]:
    """The notes of cells without a number, each once, with the numbers that mark them in print."""
    notes = dict.fromkeys(cell.note for row in table.rows for cell in row if cell.note)
    return {note: str(index) for index, note in enumerate(notes, start=1)}


def number(value: float, text: str, *, hint: str = "", tone: Tone = "") -> Cell:
    """A number's cell; a dash when there is none."""
    if math.isnan(value):
        return Cell(NOTHING)
    return Cell(text, sort=value, tone=tone, hint=hint)


def failed(statuses: Iterable[str], reasons: Iterable[str] = ()) -> Cell:
    """The cell of a number that does not exist: why, in one word, with the reasons as a hint."""
    words = sorted({status for status in statuses if status != "done"})
    hint = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    return Cell(", ".join(words) or NOTHING, tone="failed" if words else "", hint=hint)


def pixels(value: Any) -> Cell:
    """A resolution's cell."""
    return Cell(str(int(value)), sort=float(value))
