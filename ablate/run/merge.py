"""Several ledgers of one study, from several machines, in one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ablate.errors import AblateError
from ablate.run.facts import Fact, MachineFact, MatchFact, StudyFact
from ablate.run.keyed_facts import DiagramFact, FormulaFact, KeyedFact
from ablate.run.ledger import Ledger

F = TypeVar("F", bound=Fact)

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
    for done in (False, True):  # of rows with one key the last counts: a finished one, the first ledger's
        for source in reversed(sources):
            _copy_rows(source, into, done)
    for source in sources:
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


def _copy_rows(source: Ledger, into: Ledger, done: bool) -> None:
    columns = _COLUMNS if source.keeps_parts else _VERSION_1
    operator = "=" if done else "<>"
    rows = source.ask(f"SELECT {columns} FROM rows WHERE status {operator} 'done' ORDER BY id")
    held = set(into.ask(f"SELECT {_COLUMNS} FROM rows"))
    marks = ", ".join("?" * 12)
    into.change(f"INSERT INTO rows ({_COLUMNS}) VALUES ({marks})", [row for row in rows if row not in held])


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
    """The cells of all plans, kind by kind, and how many were measured several times."""
    chosen: dict[str, tuple[Any, ...]] = {}
    finished: dict[str, set[str]] = {}
    for source in sources:
        rows = source.ask("SELECT key, created || provenance FROM rows WHERE status = 'done' ORDER BY id")
        done = {str(key): str(row) for key, row in rows}
        for cell in source.ask("SELECT key, place, layout, kind, condition FROM plan ORDER BY position"):
            key, place = cell[0], cell[1]
            if place not in chosen or (not finished.get(place) and key in done):
                chosen[place] = cell
            if key in done:
                finished.setdefault(place, set()).add(done[key])
    kinds = {cell[3]: position for position, cell in reversed(list(enumerate(chosen.values())))}
    cells = sorted(chosen.values(), key=lambda cell: kinds[cell[3]])
    return cells, sum(len(rows) > 1 for rows in finished.values())


def _facts(sources: Sequence[Ledger], into: Ledger) -> None:
    texts: dict[str, str] = {}
    for source in sources:
        for name, value in source.ask("SELECT name, value FROM facts"):
            texts.setdefault(name, value)
    into.change("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(texts.items()))
    studies = _known(sources, StudyFact)
    if studies:
        layouts = {name: text for fact in studies for name, text in fact.layouts.items()}
        warnings = tuple(dict.fromkeys(text for fact in studies for text in fact.warnings))
        into.write(replace(studies[0], layouts=layouts, warnings=warnings))
    machines = _known(sources, MachineFact)
    if machines:
        into.write(MachineFact({key: value for fact in machines for key, value in fact.known.items()}))
    kinds: tuple[type[KeyedFact], ...] = (FormulaFact, DiagramFact)
    for kind in kinds:
        known = _known(sources, kind)
        if known:
            rows = {part: row for fact in reversed(known) for part, row in fact.by_part.items()}
            keys = {part: key for fact in reversed(known) for part, key in fact.keys.items()}
            into.write(kind(tuple(rows.values()), keys))
    matches = [match for match in _known(sources, MatchFact) if match.rows]
    if matches:
        merged = {json.dumps([row.layout, row.axis]): row for fact in reversed(matches) for row in fact.rows}
        sizes = {name: size for fact in reversed(matches) for name, size in fact.layouts.items()}
        into.write(replace(matches[0], rows=tuple(merged.values()), layouts=sizes))


def _known(sources: Sequence[Ledger], fact: type[F]) -> list[F]:
    return [known for source in sources if (known := source.read(fact)) is not None]
