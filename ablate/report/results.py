"""A ledger's frame, opened: one flat frame per kind of cell, and what is missing from each."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ablate.report.metrics import of_kind


class Results:
    """All planned cells of a study, finished or not.

    `layouts` keeps the order of the plan, `texts` says what each layout is (its pattern, when known),
    `baseline` is the layout the others are compared to (the first one when the study names none).
    `reference` is the resolution of the tables that show one: as given, else 224 when it was counted, else
    the lowest resolution counted.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        study: str,
        baseline: str | None = None,
        texts: Mapping[str, str] | None = None,
        reference: int | None = None,
    ):
        self.frame = frame.reset_index(drop=True)
        self.study = study
        self.layouts: tuple[str, ...] = tuple(dict.fromkeys(frame["layout"].astype(str)))
        self.baseline = baseline if baseline in self.layouts else next(iter(self.layouts), None)
        self.texts = {name: (texts or {}).get(name, name) for name in self.layouts}
        self._reference = reference
        self._kinds: dict[str, pd.DataFrame] = {}

    def planned(self, kind: str) -> pd.DataFrame:
        """Every planned cell of a kind, one row each.

        Columns: layout, status, reason, the condition's entries, the metrics in their raw units (NaN where
        the cell is not done), and the row's `values` and `provenance`.
        """
        if kind not in self._kinds:
            rows = self.frame[self.frame["kind"] == kind]
            self._kinds[kind] = pd.DataFrame([_flat(kind, row) for row in rows.to_dict("records")])
        return self._kinds[kind]

    def done(self, kind: str) -> pd.DataFrame:
        """The finished cells of a kind, as `planned` gives them."""
        planned = self.planned(kind)
        return planned[planned["status"] == "done"] if len(planned) else planned

    @property
    def not_done(self) -> pd.DataFrame:
        """The records of the ledger's frame that are failed, stale or missing."""
        return self.frame[self.frame["status"] != "done"]

    @cached_property
    def reference(self) -> int | None:
        """The resolution of one-resolution tables, in pixels; None when no cell has one."""
        counted = (
            self.resolutions("complexity") or self.resolutions("memory") or self.resolutions("throughput")
        )
        if self._reference in counted or not counted:
            return self._reference
        return 224 if 224 in counted else counted[0]

    def resolutions(self, kind: str) -> list[int]:
        """Resolutions planned for a kind, ascending."""
        planned = self.planned(kind)
        if "resolution" not in planned:
            return []
        return sorted({int(value) for value in planned["resolution"].dropna()})

    def nearest(self, kind: str) -> int | None:
        """The planned resolution of a kind that is nearest (in ratio) to the reference."""
        planned = self.resolutions(kind)
        if not planned:
            return None
        reference = self.reference or planned[0]
        return min(planned, key=lambda value: max(value / reference, reference / value))

    def conditions(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The distinct values of these entries of the conditions of a kind, in the order of the plan."""
        planned = self.planned(kind)
        present = [name for name in names if name in planned]
        if not present or planned.empty:
            return []
        return [
            {str(key): value for key, value in record.items()}
            for record in planned[present].drop_duplicates().to_dict("records")
        ]

    def varying(self, kind: str) -> set[str]:
        """Entries of a kind's conditions that differ between its cells: those that tell its cells apart."""
        found: dict[str, set[str]] = {}
        for condition in self.frame.loc[self.frame["kind"] == kind, "condition"]:
            for name, value in condition.items():
                found.setdefault(name, set()).add(json.dumps(value))
        return {name for name, values in found.items() if len(values) > 1}


def select(rows: pd.DataFrame, **condition: Any) -> pd.DataFrame:
    """The rows whose columns have these values; entries with None or without a column do not restrict."""
    for name, value in condition.items():
        if value is not None and name in rows:
            rows = rows[rows[name] == value]
    return rows


def describe(condition: Mapping[str, Any]) -> str:
    """A condition in words, for a table: `resolution 224, batch 32, fp32`."""
    parts = []
    for key, value in condition.items():
        value = value.item() if isinstance(value, np.generic) else value
        if value is None or value is False or value != value:  # NaN stands for None in a column of numbers
            continue
        number = f"{value:g}" if isinstance(value, float) else value
        parts.append(str(key) if value is True else f"{key} {number}")
    return ", ".join(parts)


def _flat(kind: str, row: Mapping[Hashable, Any]) -> dict[str, Any]:
    values: Mapping[str, Any] = row["values"] if row["status"] == "done" else {}
    flat: dict[str, Any] = {"layout": str(row["layout"]), "status": row["status"], "reason": row["reason"]}
    for name, value in row["condition"].items():
        flat[name] = value if isinstance(value, Hashable) else json.dumps(value)
    flat |= {metric.column: metric.read(values) for metric in of_kind(kind)}
    return flat | {"values": values, "provenance": row["provenance"]}
