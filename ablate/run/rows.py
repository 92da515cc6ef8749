"""A row of the ledger as a record: its condition and its values in the types of its measurement. No torch."""

from __future__ import annotations

import json
from typing import Any

from ablate.measurements.register import measurement
from ablate.measurements.values import Failure
from ablate.run.records import Json, Provenance, Record, State

AnyRecord = Record[Any, Any]


def record_of(row: tuple[Any, ...], conditions: dict[tuple[str, str], Any]) -> AnyRecord:
    """The record of a planned cell and its row, if it has one; `conditions` are those that were read before.

    Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` where the row is damaged.
    """
    layout, kind, text, key, old, status, reason, values, provenance, seconds, created = row
    entry = measurement(kind)
    if (kind, text) not in conditions:
        conditions[kind, text] = entry.condition.model_validate(_known(entry.condition, json.loads(text)))
    if status is None:
        state: State = "stale" if old else "missing"
        return Record(layout, kind, conditions[kind, text], key, state)
    done = status == "done"
    return Record(
        layout,
        kind,
        conditions[kind, text],
        key,
        "done" if done else "failed",
        values=entry.values.from_json(json.loads(values)) if done else None,
        failure=None if done else Failure(status, reason),
        provenance=Provenance.from_json(json.loads(provenance)),
        seconds=seconds,
        created=created,
    )


def _known(model: Any, stored: Json) -> Json:
    """The entries that the condition still has, so that rows of earlier versions can be read."""
    return {name: value for name, value in stored.items() if name in model.model_fields and value is not None}
