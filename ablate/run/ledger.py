"""The ledger: one SQLite file per study with every finished, failed and stale cell. Imports no torch.

Four tables. `rows` is append-only: each outcome is committed by itself, those of counted cells together every
quarter of a second, so a kill loses no more than that and the cell in flight. `plan` holds the cells of
the study as it stands now, in order. A planned cell takes the newest row with its key; a row at the same
place (layout, kind, condition) with another key is stale and not used. `facts` holds what the study knows
beside its cells (`ablate.run.facts`), `parts` what the keys of rows are made of, to name a change.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from ablate.errors import AblateError
from ablate.measurements.register import is_known
from ablate.run.facts import Fact
from ablate.run.records import Cell, Json, Outcome, Provenance, State, plain
from ablate.run.rows import AnyRecord, record_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, place TEXT NOT NULL, layout TEXT NOT NULL, kind TEXT NOT NULL,
    condition TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, "values" TEXT NOT NULL,
    provenance TEXT NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL, made_of TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS rows_key ON rows (key);
CREATE INDEX IF NOT EXISTS rows_place ON rows (place);
CREATE TABLE IF NOT EXISTS plan (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL, place TEXT NOT NULL, layout TEXT NOT NULL,
    kind TEXT NOT NULL, condition TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (hash TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_VERSION = 2
_MIGRATIONS = {1: "ALTER TABLE rows ADD COLUMN made_of TEXT NOT NULL DEFAULT ''"}
"""What brings a ledger of a version to the next one."""
FILE = "ledger.sqlite"
_SOON = 0.25  # seconds

F = TypeVar("F", bound=Fact)


class Ledger:
    """A study's ledger. For writing, file and folder are made when missing; `read_only` changes nothing.

    Raises `AblateError` when the file is not a ledger, is damaged, or was written by a later version.
    `keeps_parts` says whether its rows name what their keys are made of: since version 2.
    """

    def __init__(self, path: Path, *, read_only: bool = False):
        self.path = path
        self.read_only = read_only
        self._committed = 0.0
        try:
            self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            raise AblateError(f"cannot open {path}: {_reason(error)}") from error
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> sqlite3.Connection:
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(self.path, timeout=30)
        if not self.path.is_file():
            raise AblateError(f"there is no ledger at {self.path}")
        location = self.path.resolve().as_uri()
        return sqlite3.connect(f"{location}?mode=ro", uri=True, timeout=30)

    def _prepare(self) -> None:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise AblateError(f"{self.path} was written by a later version of ablate")
        names = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if self.read_only or names:
            missing = {"rows", "plan", "facts"} - names
            if missing:
                raise AblateError(
                    f"{self.path} is not a ledger: it has no table {', '.join(sorted(missing))}"
                )
            self._connection.execute("SELECT key, status, provenance FROM rows LIMIT 1").fetchone()
        self.keeps_parts = version > 1 or not self.read_only
        if not self.read_only:
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
            for before in range(version, _VERSION) if names and version else ():
                self._connection.execute(_MIGRATIONS[before])
                self._connection.execute(f"PRAGMA user_version={before + 1}")
            if version != _VERSION:
                self._connection.execute(f"PRAGMA user_version={_VERSION}")
            self._connection.commit()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line what is wrong with the file."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):
                raise AblateError(f"{self.path} is not a ledger: {error}") from error
            raise AblateError(f"cannot use {self.path}: {_reason(error)}") from error
        except sqlite3.DatabaseError as error:
            hint = "; move it away to begin anew"
            raise AblateError(f"{self.path} is damaged or no ledger: {error}{hint}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # what a row or a fact holds
            raise AblateError(
                f"{self.path} is damaged: {_reason(error)}; move it away to begin anew"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, with all rows that were added."""
        try:
            self.commit()
        finally:
            self._connection.close()

    def set_plan(self, cells: Iterable[Cell]) -> None:
        """Replace the plan by these cells, in this order."""
        texts: dict[int, str] = {}

        def text(cell: Cell) -> str:
            return texts.setdefault(id(cell.condition), json.dumps(plain(cell.condition)))

        records = [
            (position, cell.key, cell.place, cell.layout, cell.kind, text(cell))
            for position, cell in enumerate(cells)
        ]
        with self._told(), self._connection:
            self._connection.execute("DELETE FROM plan")
            self._connection.executemany("INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?)", records)

    def write(self, fact: Fact) -> None:
        """Keep a fact about the study as a whole, in the place of the earlier one of its kind."""
        with self._told(), self._connection:
            values = (fact.name, _written(fact.to_json()))
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", values)

    def read(self, fact: type[F]) -> F | None:
        """The fact of this kind; None when there is none."""
        with self._told():
            query = "SELECT value FROM facts WHERE name = ?"
            row = self._connection.execute(query, (fact.name,)).fetchone()
            return fact.from_json(json.loads(row[0])) if row else None

    def add(
        self,
        cell: Cell,
        outcome: Outcome,
        provenance: Provenance,
        parts: Mapping[str, Json] | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        """Append one outcome, with the parts that its key is made of, by their hashes, and commit it.

        Not `at_once`, it waits for the next commit, a quarter of a second while rows are added: a disk may
        take longer for a commit than a worker for a cell that is only counted.
        """
        shown = {name: value for name, value in provenance.to_json().items() if value not in (None, (), [])}
        record = (
            cell.key,
            cell.place,
            cell.layout,
            cell.kind,
            json.dumps(plain(cell.condition)),
            outcome.status,
            outcome.reason,
            _written(outcome.values or {}),
            _written(shown),
            outcome.seconds,
            datetime.now(UTC).isoformat(timespec="seconds"),
            json.dumps(cell.made_of) if cell.made_of else "",
        )
        new = [(hashed, json.dumps(part)) for hashed, part in (parts or {}).items()]
        with self._told():
            self._connection.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?)", new)
            self._connection.execute(
                'INSERT INTO rows (key, place, layout, kind, condition, status, reason, "values", provenance,'
                " seconds, created, made_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                record,
            )
        if at_once or time.monotonic() > self._committed + _SOON:
            self.commit()

    def commit(self) -> None:
        """Make every row that was added last."""
        with self._told():
            self._connection.commit()
        self._committed = time.monotonic()

    def has_job(self, job: str, key: str) -> bool:
        """Whether a row of this cell came from the job of this id."""
        with self._told():
            rows = self._connection.execute("SELECT provenance FROM rows WHERE key = ?", (key,)).fetchall()
            return any(json.loads(text).get("job") == job for (text,) in rows)

    def states(self, cells: Iterable[Cell]) -> dict[str, State]:
        """The state of each cell, by key.

        The newest row with the cell's key decides; without one, a row at its place makes it stale.
        """
        with self._told():
            newest = dict(self._connection.execute("SELECT key, status FROM rows ORDER BY id").fetchall())
            places = {place for (place,) in self._connection.execute("SELECT DISTINCT place FROM rows")}
        states: dict[str, State] = {}
        for cell in cells:
            if cell.key in newest:
                states[cell.key] = "done" if newest[cell.key] == "done" else "failed"
            else:
                states[cell.key] = "stale" if cell.place in places else "missing"
        return states

    def records(self) -> list[AnyRecord]:
        """One record for each planned cell, in the plan's order.

        Cells of measurements that are not known (an extension that was not loaded) are left out.
        """
        planned = """
            SELECT plan.layout, plan.kind, plan.condition, plan.key,
                   EXISTS (SELECT 1 FROM rows AS old WHERE old.place = plan.place),
                   rows.status, rows.reason, rows."values", rows.provenance, rows.seconds, rows.created
            FROM plan
            LEFT JOIN (SELECT key, MAX(id) AS id FROM rows GROUP BY key) AS newest ON newest.key = plan.key
            LEFT JOIN rows ON rows.id = newest.id
            ORDER BY plan.position
        """
        conditions: dict[tuple[str, str], Any] = {}
        with self._told():
            rows = self._connection.execute(planned).fetchall()
            return [record_of(row, conditions) for row in rows if is_known(row[1])]

    def fingerprint(self) -> str:
        """A hash of all rows, the plan and the facts: two ledgers with the same one give the same report."""
        contents = hashlib.sha256()
        with self._told():
            for table, order in (("rows", "id"), ("plan", "position"), ("facts", "name")):
                for row in self._connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):
                    contents.update(repr(row).encode())
        return contents.hexdigest()

    def measured(self, layout: str, kind: str) -> bool:
        """Whether there is any finished row of this layout and kind, in use or not: whether it was seen."""
        with self._told():
            query = "SELECT 1 FROM rows WHERE layout = ? AND kind = ? AND status = 'done' LIMIT 1"
            return self._connection.execute(query, (layout, kind)).fetchone() is not None

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one query that reads (`ablate.run.history` asks what no plan speaks of)."""
        with self._told():
            return self._connection.execute(query, values).fetchall()

    def change(self, query: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> int:
        """Execute one statement for each of these rows of values, all or none; how many rows it changed."""
        with self._told(), self._connection:
            return self._connection.executemany(query, rows).rowcount


def _reason(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{error.title}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()) or type(error).__name__


def _written(value: Any) -> str:
    """Plain data as JSON; what cannot be written as UTF-8, such as half of a surrogate pair, as `?`."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
