"""Every planned cell without a number, with the reason."""

from __future__ import annotations

import pandas as pd

from ablate.report.notes import missing_note
from ablate.report.register import table
from ablate.report.results import Results, describe, distinguishing
from ablate.report.table import Cell, Column, Table, failed


@table("missing", order=120)
def missing_table(results: Results) -> Table | None:
    """One row a cell; None when every cell has its number."""
    note = missing_note(results)
    if note is None:
        return None
    rows, raw = [], []
    for record in results.not_done:
        texts = [record.layout, record.kind, describe(distinguishing(results, record))]
        status = failed([record.status])
        reason = Cell(record.reason, sort=record.reason)
        rows.append((*(Cell(text, sort=text) for text in texts), status, reason))
        raw.append((*texts, status.text, record.reason))
    heads = ("Layout", "kind", "condition", "status", "reason")
    columns = tuple(Column(head, left=True) for head in heads)
    frame = pd.DataFrame(raw, columns=["layout", "kind", "condition", "status", "reason"])
    return Table("missing", "Cells without a number", note, columns, tuple(rows), frame)
