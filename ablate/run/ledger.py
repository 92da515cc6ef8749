"""The ledger: one SQLite file per study with every finished, failed and stale cell. Imports no torch.

Two tables. `rows` is append-only: each outcome is committed by itself, so a kill loses at most the cell in
flight. `plan` holds the cells of the study as it stands now, in order. A planned cell takes the newest row
with its key; a row at the same place (layout, kind, condition) with another key is stale and not used.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd

from ablate.errors import AblateError
from ablate.run.cell import Cell, Json, Outcome

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, place TEXT NOT NULL, layout TEXT NOT NULL, kind TEXT NOT NULL,
    condition TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, "values" TEXT NOT NULL,
    provenance TEXT NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS rows_key ON rows (key);
CREATE INDEX IF NOT EXISTS rows_place ON rows (place);
CREATE TABLE IF NOT EXISTS plan (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL, place TEXT NOT NULL, layout TEXT NOT NULL,
    kind TEXT NOT NULL, condition TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_VERSION = 1

COLUMNS = [
    "layout",
    "kind",
    "condition",
    "status",
    "reason",
    "values",
    "provenance",
    "seconds",
    "created",
    "key",
]


class Ledger:
    """A study's ledger, opened for reading and writing (the file and its folder are made when missing).

    Raises `AblateError` when the file is not a ledger, or one of a later version.
    """

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30)
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise AblateError(f"{path} was written by a later version of ablate")
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version={_VERSION}")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise AblateError(f"{path} is not a ledger: {error}") from error
        except AblateError:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def set_plan(self, cells: Iterable[Cell]) -> None:
        """Replace the plan by these cells, in this order."""
        records = [
            (position, cell.key, cell.place, cell.layout, cell.kind, json.dumps(dict(cell.condition)))
            for position, cell in enumerate(cells)
        ]
        with self._connection:
            self._connection.execute("DELETE FROM plan")
            self._connection.executemany("INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?)", records)

    def set_fact(self, name: str, value: Json) -> None:
        """Keep a fact about the study as a whole, such as its name or its report options."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def fact(self, name: str) -> Json:
        """The fact of this name; an empty dictionary when there is none."""
        with closing(self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,))) as cursor:
            found = cursor.fetchone()
        return json.loads(found[0]) if found else {}

    def add(self, cell: Cell, outcome: Outcome, provenance: Mapping[str, object]) -> None:
        """Append one outcome and commit it."""
        record = (
            cell.key,
            cell.place,
            cell.layout,
            cell.kind,
            json.dumps(dict(cell.condition)),
            outcome.status,
            outcome.reason,
            json.dumps(outcome.values),
            json.dumps(dict(provenance)),
            outcome.seconds,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._connection:
            self._connection.execute(
                'INSERT INTO rows (key, place, layout, kind, condition, status, reason, "values", provenance,'
                " seconds, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                record,
            )

    def statuses(self, cells: Iterable[Cell]) -> dict[str, str]:
        """The status of each cell, by key: `done`, `failed`, `stale` or `missing`.

        The newest row with the cell's key decides; without one, a row at its place makes it stale.
        """
        newest = dict(self._connection.execute("SELECT key, status FROM rows ORDER BY id").fetchall())
        places = {place for (place,) in self._connection.execute("SELECT DISTINCT place FROM rows")}
        found = {}
        for cell in cells:
            if cell.key in newest:
                found[cell.key] = "done" if newest[cell.key] == "done" else "failed"
            else:
                found[cell.key] = "stale" if cell.place in places else "missing"
        return found

    def frame(self) -> pd.DataFrame:
        """One record for each planned cell, in the plan's order, with the columns of `COLUMNS`.

        `status` is `done`, a kind of failure, `stale` (only rows with another key exist) or `missing`;
        `condition`, `values` and `provenance` are dictionaries, empty where there is no row.
        """
        query = """
            SELECT plan.layout, plan.kind, plan.condition,
                   COALESCE(rows.status, CASE WHEN EXISTS (SELECT 1 FROM rows AS o WHERE o.place = plan.place)
                                         THEN 'stale' ELSE 'missing' END),
                   COALESCE(rows.reason, ''), COALESCE(rows."values", '{}'), COALESCE(rows.provenance, '{}'),
                   rows.seconds, rows.created, plan.key
            FROM plan LEFT JOIN rows ON rows.id = (SELECT MAX(id) FROM rows WHERE rows.key = plan.key)
            ORDER BY plan.position
        """
        frame = pd.DataFrame(self._connection.execute(query).fetchall(), columns=COLUMNS)
        for column in ("condition", "values", "provenance"):
            frame[column] = frame[column].map(json.loads).astype(object)
        return frame

    def stale_rows(self) -> int:
        """How many rows are kept but not used, because no planned cell has their key."""
        query = "SELECT COUNT(*) FROM rows WHERE key NOT IN (SELECT key FROM plan)"
        return int(self._connection.execute(query).fetchone()[0])
