"""Every layout in full: what all share, and the settings that differ, so that each can be built again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table

_PATTERNS = ("layout", "stages", "timm")


@table("layouts", order=5)
def layout_table(results: Results) -> Table | None:
    """Pattern and differing settings of each layout; left out when only names are known."""
    if not results.fact.settings and all(name == text for name, text in results.texts.items()):
        return None
    shared, differing = told_apart(results)
    rows, raw = [], []
    for name, text in results.texts.items():
        settings = results.fact.settings.get(name, {})
        given = {key: written(settings[key]) if key in settings else "–" for key in differing}
        rows.append(tuple(Cell(word, sort=word) for word in (name, text, *given.values())))
        raw.append(
            {"layout": name, "definition": text}
            | {key: written(value) for key, value in settings.items() if key not in _PATTERNS}
        )
    heads = ("Layout", "definition", *(key.replace("_", " ") for key in differing))
    caption = "Each layout in the layout language."
    notes = []
    if shared:
        caption += " Settings that differ have a column."
        common = "; ".join(f"{key.replace('_', ' ')} {written(value)}" for key, value in shared.items())
        notes = [f"All layouts: {common}."]
    if results.fact.settings:
        notes.append(
            "A list has one value for each stage. Widths are those after matching, where there was any."
        )
    columns = tuple(Column(head, left=True) for head in heads)
    return Table("layouts", "Layouts", caption, columns, tuple(rows), pd.DataFrame(raw), tuple(notes))


def told_apart(results: Results) -> tuple[dict[str, Any], list[str]]:
    """The settings that all layouts share, with their values, and the names of those in which they differ.

    A model taken whole, as timm's are, has no settings and is not asked.
    """
    known = [results.fact.settings.get(name, {}) for name in results.layouts]
    described = [
        {key: value for key, value in settings.items() if key not in _PATTERNS}
        for settings in known
        if len(settings) > 1
    ]
    names = list(dict.fromkeys(key for settings in described for key in settings))
    shared = {
        key: described[0][key]
        for key in names
        if all(key in settings and settings[key] == described[0].get(key) for settings in described)
    }
    return shared, [key for key in names if key not in shared]


def written(value: Any) -> str:
    """A setting as a study file writes it: `overlap(stride=2)`, `32 64 160 256`."""
    if isinstance(value, list | tuple):
        return " ".join(map(written, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {written(inner)}" for key, inner in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
