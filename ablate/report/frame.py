"""The public tidy frame of a study's results, for notebooks: one row a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ablate.extensions import load_installed
from ablate.measurements.register import measurement
from ablate.report.results import Results, distinguishing
from ablate.run.ledger import FILE, Ledger

COLUMNS = (
    "layout", "measurement", "quantity", "value", "low", "high", "unit", "seed", "status", "reason",
)  # fmt: skip
PROVENANCE = ("device", "torch", "host", "git_commit", "created")


def load_results(folder: str | Path) -> pd.DataFrame:
    """The results in a folder, such as `results/quickstart`, as one row a value.

    Columns: `layout`, `measurement`, `resolution` in pixels (missing where a condition has none), the other
    entries of the conditions that tell cells apart, `quantity`, `value` in `unit` with its 95 % interval
    `low` and `high` where one value has one, `seed`, `status` and `reason` (a cell without values has one
    row, whose quantity is missing), and the provenance. Raises `AblateError` when the folder has no results.
    """
    load_installed()
    with Ledger(Path(folder) / FILE, read_only=True) as ledger:
        return tidy(Results.of(ledger))


def tidy(results: Results) -> pd.DataFrame:
    """The same of results that are at hand."""
    rows: list[dict[str, Any]] = []
    for record in results.records:
        place: dict[str, Any] = {"layout": record.layout, "measurement": record.kind}
        place["resolution"] = record.at("resolution")
        place |= {key: value for key, value in distinguishing(results, record).items() if key != "seed"}
        place |= {"seed": record.at("seed"), "status": record.status, "reason": record.reason}
        place |= {name: getattr(record.provenance, name, None) for name in PROVENANCE}
        place["created"] = record.created
        if record.values is None:
            rows.append(place)
            continue
        for quantity in measurement(record.kind).quantities:
            low, high = quantity.interval(record.values)
            number = {"quantity": quantity.name, "value": quantity.value(record.values), "low": low}
            unit = quantity.stored or (quantity.unit if quantity.scale == 1 else "")  # of the stored number
            rows.append(place | number | {"high": high, "unit": unit})
    frame = pd.DataFrame(rows)
    frame.attrs["layouts"] = dict(results.texts)  # what each layout is, for `ablate.figures`
    first = [*COLUMNS[:2], *(name for name in frame if name not in (*COLUMNS, *PROVENANCE))]
    return frame.reindex(columns=[*first, *COLUMNS[2:], *PROVENANCE])
