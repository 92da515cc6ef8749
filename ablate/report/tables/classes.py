"""Recall of every class, and what it is most often taken for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablate.report.confusions import class_names, confusions
from ablate.report.numbers import with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.statistics.seeds import summarize


@table("classes", order=8)
def class_table(results: Results) -> Table | None:
    """One row a layout and class; None where no run kept its answers. The CSV file has every pair."""
    rows, raw = [], []
    for own in confusions(results):
        names = class_names(results, own.shares.shape[1])
        for true, name in enumerate(names):
            wrong = np.where(np.arange(len(names)) == true, -1.0, own.mean[true])
            taken = int(wrong.argmax())
            cells = []
            for answer in (true, taken):
                summary = summarize(own.shares[:, true, answer].tolist())
                text = with_error(summary.mean, summary.half_width, fallback_digits=3)
                cells.append(number(summary.mean, text))
            mistaken = wrong[taken] > 0
            rows.append(
                (
                    Cell(own.layout, sort=own.layout),
                    Cell(name, sort=name),
                    cells[0],
                    Cell(names[taken] if mistaken else "–", sort=names[taken] if mistaken else ""),
                    cells[1] if mistaken else Cell("–"),
                )
            )
            for answer, other in enumerate(names):
                shares = own.shares[:, true, answer].tolist()
                summary = summarize(shares)
                raw.append((own.layout, name, other, summary.mean, summary.half_width, len(shares)))
    if not rows:
        return None
    columns = ["layout", "class", "answer", "share_percent_mean", "share_percent_ci95_half_width", "seeds"]
    return Table(
        "classes",
        "Classes",
        "Recall: the share of a class's test images that are answered right; and the class that it is most "
        "often taken for. ± is the 95 % interval over seeds.",
        (
            Column("Layout", left=True),
            Column("Class", left=True),
            Column("recall (%)"),
            Column("taken for", left=True),
            Column("share (%)"),
        ),
        tuple(rows),
        pd.DataFrame(raw, columns=columns),
    )
