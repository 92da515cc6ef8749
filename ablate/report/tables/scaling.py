"""Counted costs of every layout at every resolution."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.cells import first, measured, stored
from ablate.report.notes import uncounted, uncounted_notes
from ablate.report.register import table
from ablate.report.results import Results, kind_quantities
from ablate.report.table import Cell, Column, Table, pixels

_PEAKS = {
    "inference, fused": "inference_peak_fused",
    "training, fused": "training_peak_fused",
    "training, math": "training_peak_math",
}


@table("scaling", order=20)
def scaling_table(results: Results) -> Table | None:
    """Counted costs of every layout at every resolution."""
    planned = results.planned("complexity")
    if not planned:
        return None
    plain = [quantity(name) for name in ("macs", "flops", "training_macs", "elementwise")]
    peaks = [quantity(name) for name in _PEAKS.values()]
    group = "Peak memory, batch 1 (MiB)"
    rows = []
    for layout in results.layouts:
        for resolution in results.resolutions("complexity"):
            record = first(results.planned("complexity", layout=layout, resolution=resolution))
            cells = [measured(record, wanted) for wanted in (*plain, *peaks)]
            rows.append((Cell(layout, sort=layout), pixels(resolution), *cells))
    raw = []
    for record in planned:
        kept: dict[str, Any] = {"layout": record.layout, "resolution_px": record.at("resolution")}
        kept |= {wanted.column: stored(record, wanted) for wanted in kind_quantities("complexity")}
        raw.append(kept | {"uncounted": " ".join(uncounted([record]))})
    return Table(
        "scaling",
        "Counted costs by resolution",
        "Exact counts of one forward pass of one image, and of one training step where it is said.",
        (
            Column("Layout", left=True),
            Column("px"),
            *(Column(wanted.title) for wanted in plain),
            *(Column(head, group) for head in _PEAKS),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        tuple(uncounted_notes(results)),
    )
