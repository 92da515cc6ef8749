"""Several ledgers of one study, from several machines, in one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablate.errors import AblateError
from ablate.run.facts import FormulaFact, MachineFact, MatchFact, StudyFact
from ablate.run.ledger import Ledger

_COLUMNS = (
    'key, place, layout, kind, condition, status, reason, "values", provenance, seconds, created, made_of'
)
_VERSION_1 = _COLUMNS.replace("made_of", "''")


@dataclass(frozen=True)
class Merged:
    """How many rows and cells a merged ledger has, and how many cells several ledgers had measured apart."""

    rows: int
    cells: int
    several: int


def merge(sources: Sequence[Ledger], into: Ledger) -> Merged:
    """Put the rows, plans and facts of ledgers into an empty one.

    Every row is kept, with its device. A cell that several ledgers planned is that of the first of them which
    has finished it: results of two machines are not mixed in one cell. Raises `AblateError` where a layout's
    name means different layouts.
    """
    _check(sources)
    for source in sources:
        columns = _COLUMNS if source.keeps_parts else _VERSION_1
        rows = source.ask(f"SELECT {columns} FROM rows ORDER BY id")
        held = set(into.ask(f"SELECT {_COLUMNS} FROM rows"))
        marks = ", ".join("?" * 12)
        into.change(
            f"INSERT INTO rows ({_COLUMNS}) VALUES ({marks})", [row for row in rows if row not in held]
        )
        if source.keeps_parts:
            parts = source.ask("SELECT hash, value FROM parts")
            into.change("INSERT OR IGNORE INTO parts VALUES (?, ?)", parts)
    cells, several = _planned(sources)
    into.change(
        "INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?)", [(index, *cell) for index, cell in enumerate(cells)]
    )
    _facts(sources, into)
    ((rows_now,),) = into.ask("SELECT COUNT(*) FROM rows")
    return Merged(int(rows_now), len(cells), several)


def _check(sources: Sequence[Ledger]) -> None:
    texts: dict[str, tuple[str, Ledger]] = {}
    for source in sources:
        fact = source.read(StudyFact)
        for name, text in (fact.layouts if fact is not None else {}).items():
            known, other = texts.setdefault(name, (text, source))
            if known != text:
                raise AblateError(
                    f"{name!r} is {known!r} in {other.path} and {text!r} in {source.path}: these are not "
                    "ledgers of one study"
                )


def _planned(sources: Sequence[Ledger]) -> tuple[list[tuple[Any, ...]], int]:
    """The cells of all plans, kind by kind, and how many were measured under several keys."""
    chosen: dict[str, tuple[Any, ...]] = {}
    finished: dict[str, set[str]] = {}
    for source in sources:
        done = {key for (key,) in source.ask("SELECT DISTINCT key FROM rows WHERE status = 'done'")}
        for cell in source.ask("SELECT key, place, layout, kind, condition FROM plan ORDER BY position"):
            key, place = cell[0], cell[1]
            if place not in chosen or (not finished.get(place) and key in done):
                chosen[place] = cell
            if key in done:
                finished.setdefault(place, set()).add(key)
    kinds = {cell[3]: position for position, cell in reversed(list(enumerate(chosen.values())))}
    cells = sorted(chosen.values(), key=lambda cell: kinds[cell[3]])
    return cells, sum(len(keys) > 1 for keys in finished.values())


def _facts(sources: Sequence[Ledger], into: Ledger) -> None:
    texts: dict[str, str] = {}
    for source in sources:
        for name, value in source.ask("SELECT name, value FROM facts"):
            texts.setdefault(name, value)
    into.change("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(texts.items()))
    studies = [fact for source in sources if (fact := source.read(StudyFact)) is not None]
    if studies:
        layouts = {name: text for fact in studies for name, text in fact.layouts.items()}
        warnings = tuple(dict.fromkeys(text for fact in studies for text in fact.warnings))
        into.write(replace(studies[0], layouts=layouts, warnings=warnings))
    machines = [known for source in sources if (known := source.read(MachineFact)) is not None]
    if machines:
        into.write(MachineFact({key: value for fact in machines for key, value in fact.known.items()}))
    formulas = [formula for source in sources if (formula := source.read(FormulaFact)) is not None]
    if formulas:
        rows = {row.block: row for fact in reversed(formulas) for row in fact.rows}
        keys = {block: key for fact in reversed(formulas) for block, key in fact.keys.items()}
        into.write(FormulaFact(tuple(rows.values()), keys))
    matches = [match for source in sources if (match := source.read(MatchFact)) is not None and match.rows]
    if matches:
        found = {json.dumps([row.layout, row.axis]): row for fact in reversed(matches) for row in fact.rows}
        sizes = {name: one for fact in reversed(matches) for name, one in fact.layouts.items()}
        into.write(replace(matches[0], rows=tuple(found.values()), layouts=sizes))
