"""The columns of the main table as a study file chooses, orders and names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ablate.errors import did_you_mean
from ablate.measurements.register import quantities
from ablate.report.table import Column, Table


def chosen(table: Table, columns: Sequence[str], names: Mapping[str, str]) -> tuple[Table, list[str]]:
    """The table with only these columns, in this order, under these names; and what could not be done.

    A word means the column with this key, quantity or heading, with or without its unit, or all columns of a
    group that begins with the quantity's label: `latency` is the time and its ratio. The first column stays,
    and so does the CSV file, which has everything.
    """
    kept = [0]
    troubles = []
    for word in columns:
        known = places(table.columns, word)
        if not known:
            troubles.append(_unknown(table.columns, word, "columns"))
        kept += [place for place in known if place not in kept]
    if not columns or len(kept) == 1:
        kept = list(range(len(table.columns)))
    heads = list(table.columns)
    for word, name in names.items():
        known = places(table.columns, word)
        if not known:
            troubles.append(_unknown(table.columns, word, "names"))
        for place in known:
            single = len(known) == 1 or not heads[place].group
            heads[place] = replace(heads[place], header=name) if single else replace(heads[place], group=name)
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return replace(table, columns=tuple(heads[place] for place in kept), rows=rows), troubles


def places(columns: Sequence[Column], word: str) -> list[int]:
    """Where the columns are that a word means; the first column has no name."""
    plain = word.casefold().replace("_", " ")
    labels = {
        text.casefold()
        for entry in quantities()
        if word in (entry.name, *entry.aliases)
        for text in (entry.title, entry.label)
    }
    exact = [place for place, column in enumerate(columns) if place and plain in _words(column)]
    titled = [place for place, column in enumerate(columns) if place and labels & _words(column)]
    grouped = [
        place
        for place, column in enumerate(columns)
        if place and column.group and column.group.partition(",")[0].casefold() in {plain, *labels}
    ]
    return exact or titled or grouped


def _words(column: Column) -> set[str]:
    header = column.header.casefold().replace("\u00a0", " ")
    words = {header, header.partition(" (")[0]}
    return words | ({column.key.casefold().replace("_", " "), column.key.casefold()} if column.key else set())


def _unknown(columns: Sequence[Column], word: str, place: str) -> str:
    heads = list(dict.fromkeys(column.header for column in columns[1:]))
    return f"report, {place}: the main table has no column {word!r}{did_you_mean(word, heads)}."
