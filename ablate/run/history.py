"""What a ledger holds beside its plan: durations, rows that nothing uses, reasons of failures. No torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ablate.run.ledger import Ledger
from ablate.run.records import Cell, Json

_UNUSED = "FROM rows WHERE key NOT IN (SELECT key FROM plan)"


@dataclass(frozen=True)
class Duration:
    """How long one finished cell took, in seconds; `density` is its layout's MACs a pixel, where counted."""

    layout: str
    kind: str
    condition: Json
    seconds: float
    density: float | None = None


def durations(ledger: Ledger) -> list[Duration]:
    """How long every finished cell took, those that are stale by now among them."""
    query = "SELECT layout, kind, condition, seconds FROM rows WHERE status = 'done'"
    known = _densities(ledger)
    return [
        Duration(layout, kind, json.loads(text), took, known.get(layout))
        for layout, kind, text, took in ledger.ask(query)
    ]


def _densities(ledger: Ledger) -> dict[str, float]:
    """MACs a pixel by layout, as counted at the least resolution, where attention weighs least."""
    query = """SELECT layout, json_extract(condition, '$.resolution'), json_extract("values", '$.macs')
               FROM rows WHERE kind = 'complexity' AND status = 'done'"""
    counts: dict[str, dict[int, float]] = {}
    for layout, side, macs in ledger.ask(query):
        if side and macs:
            counts.setdefault(str(layout), {})[int(side)] = macs / side**2
    return {layout: by_side[min(by_side)] for layout, by_side in counts.items()}


def unused_rows(ledger: Ledger) -> Counter[tuple[str, str]]:
    """How many rows no planned cell uses, by layout and kind."""
    return Counter((str(layout), str(kind)) for layout, kind in ledger.ask(f"SELECT layout, kind {_UNUSED}"))


def prune(ledger: Ledger) -> int:
    """Remove the rows that no planned cell uses; how many there were. Parts of keys without a row go too."""
    count = ledger.change(f"DELETE {_UNUSED}")
    used = {part for (text,) in ledger.ask("SELECT DISTINCT made_of FROM rows") for part in _hashes(text)}
    codes = {
        str(json.loads(value).get("code"))
        for hashed, value in ledger.ask("SELECT hash, value FROM parts")
        if hashed in used
    }
    gone = [(hashed,) for (hashed,) in ledger.ask("SELECT hash FROM parts") if hashed not in used | codes]
    if gone:
        ledger.change("DELETE FROM parts WHERE hash = ?", gone)
    return count


@dataclass(frozen=True)
class Failures:
    """Failed cells that have one reason, by status and reason; `cells` are `kind of layout`."""

    status: str
    reason: str
    cells: tuple[str, ...]


def failures(ledger: Ledger, cells: Iterable[Cell] | None = None) -> list[Failures]:
    """The failed cells by reason, the most frequent first; of these cells, or of the ledger's plan."""
    newest = {
        key: (status, reason)
        for key, status, reason in ledger.ask("SELECT key, status, reason FROM rows ORDER BY id")
    }
    planned = (
        ledger.ask("SELECT key, kind, layout FROM plan ORDER BY position")
        if cells is None
        else [(cell.key, cell.kind, cell.layout) for cell in cells]
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for key, kind, layout in planned:
        status, reason = newest.get(key, ("done", ""))
        if status != "done":
            groups.setdefault((status, reason), []).append(f"{kind} of {layout}")
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [Failures(status, reason, tuple(failed)) for (status, reason), failed in ordered]


def _hashes(text: str) -> list[str]:
    return [part for part in json.loads(text or "{}").values() if isinstance(part, str)]
