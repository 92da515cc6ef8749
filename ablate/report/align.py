"""Numbers of a column aligned at the decimal point and at the ±: the blanks around each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablate.report.table import Cell, Column

_NUMBER = re.compile(r"(?P<value>[+−]?\d+(?:\.(?P<places>\d+))?)(?: ± (?P<error>\d+(?:\.\d+)?))?(?P<mark>†?)")


@dataclass(frozen=True)
class Aligned:
    """A cell's text, what is to be left free before its error, and behind it.

    `error` is empty where the cell has none. The blanks are made of digits, `.` and ` ± `: space as wide as
    these characters.
    """

    value: str
    between: str = ""
    error: str = ""
    behind: str = ""


def aligned(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> list[list[Aligned]]:
    """The cells of each row; text columns, and cells that are no numbers, stay as they are."""
    lines = list(rows)
    places = [
        None if column.left else _Places.of([line[index].text for line in lines])
        for index, column in enumerate(columns)
    ]
    return [
        [
            Aligned(cell.text) if place is None else place.align(cell.text)
            for cell, place in zip(line, places, strict=True)
        ]
        for line in lines
    ]


@dataclass(frozen=True)
class _Places:
    """The widest parts of the numbers of a column: places of values, digits and places of errors."""

    value: int
    whole: int
    error: int
    marked: bool

    @classmethod
    def of(cls, texts: Iterable[str]) -> _Places:
        known = [match for text in texts if (match := _NUMBER.fullmatch(text))]
        errors = [match["error"] for match in known if match["error"]]
        return cls(
            max((len(match["places"] or "") for match in known), default=0),
            max((len(error.partition(".")[0]) for error in errors), default=0),
            max((len(error.partition(".")[2]) for error in errors), default=0),
            any(match["mark"] for match in known),
        )

    def align(self, text: str) -> Aligned:
        number = _NUMBER.fullmatch(text)
        if number is None:
            return Aligned(text)
        mark, error = number["mark"], number["error"] or ""
        behind_value = _blank(len(number["places"] or ""), self.value)
        behind_mark = "†" if self.marked and not mark else ""
        if not self.whole:
            return Aligned(number["value"] + mark, behind=behind_value + behind_mark)
        if not error:
            free = " ± " + "0" * self.whole + _blank(0, self.error)
            return Aligned(number["value"] + mark, behind=behind_value + free + behind_mark)
        whole, _, rest = error.partition(".")
        before = behind_value + "0" * (self.whole - len(whole))
        return Aligned(
            number["value"], before, f" ± {error}{mark}", _blank(len(rest), self.error) + behind_mark
        )


def _blank(has: int, wants: int) -> str:
    """What stands in for the places that a number lacks."""
    return ("" if has or not wants else ".") + "0" * (wants - has)
