"""What bringing the layouts to one budget changed, and what it left unequal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.report.metrics import MEBI
from ablate.report.numbers import scaled, signed, significant
from ablate.report.table import Cell, Column, Table, number

_AXES: Mapping[str, tuple[str, float, str]] = {
    "params": ("Parameters (M)", 1e6, "params"),
    "macs": ("MACs (G)", 1e9, "MACs"),
    "memory": ("Memory (MiB)", MEBI, "bytes"),
}


_NOTE = "Memory: the weights and the peak of one inference of one image, attention fused."


def budget_table(matches: Sequence[Mapping[str, Any]]) -> Table | None:
    """One row per layout that a study matched (records of `MatchResult.to_json`); None without any."""
    if not matches:
        return None
    axis, by, target = str(matches[0]["axis"]), str(matches[0]["by"]), float(matches[0]["target"])
    heading, scale, _ = _AXES[axis]
    others = [name for name in _AXES if name != axis]
    rows = []
    for match in matches:
        value = math.nan if match["value"] is None else float(match["value"])
        error = math.nan if match["error"] is None else 100 * float(match["error"])
        change = _changes(match["changes"])
        rows.append(
            (
                Cell(str(match["layout"]), sort=str(match["layout"])),
                Cell(change, sort=change),
                number(value, significant(value / scale, 4)),
                number(error, signed(error)),
                *(cell for name in others for cell in _leftover(match["axes"].get(name), _AXES[name][1])),
                Cell(str(match["note"]), sort=str(match["note"])),
            )
        )
    columns = (
        Column("Layout", left=True),
        Column("what was changed", left=True),
        Column(heading),
        Column("error (%)"),
        *(Column(head, _AXES[name][0]) for name in others for head in ("matched", "was", "change (%)")),
        Column("note", left=True),
    )
    return Table(
        "budget",
        "Equal budgets",
        f"The layouts brought to {_target(axis, target)} by their {by}, and what this leaves on other axes.",
        columns,
        tuple(rows),
        pd.DataFrame([_raw(match) for match in matches]),
        (_NOTE,),
    )


def _target(axis: str, target: float) -> str:
    if axis == "memory":
        return f"{significant(target / MEBI, 4)} MiB of memory"
    return f"{scaled(target, '', 4)} {'parameters' if axis == 'params' else 'MACs'}"


def _changes(changes: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    parts = [
        f"{name} {_listed(change['before'])} → {_listed(change['after'])}" for name, change in changes.items()
    ]
    return "; ".join(parts) or "nothing"


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _leftover(axis: Mapping[str, Any] | None, scale: float) -> list[Cell]:
    if axis is None:
        return [Cell("–")] * 3
    change = 100 * float(axis["relative"])
    sizes = [float(axis[key]) for key in ("after", "before")]
    return [*(number(size, significant(size / scale, 4)) for size in sizes), number(change, signed(change))]


def _raw(match: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {key: match[key] for key in ("layout", "axis", "target", "value", "by")}
    record["error_percent"] = None if match["error"] is None else 100 * match["error"]
    for name, (_, _, unit) in _AXES.items():
        for key in ("before", "after"):
            column = name if name == unit else f"{name}_{unit.lower()}" if name != "macs" else "macs"
            record[f"{column}_{key}"] = (match["axes"].get(name) or {}).get(key)
    return record | {"changes": _changes(match["changes"]), "note": match["note"]}
