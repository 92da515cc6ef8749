"""Recall of every class, and what it is most often taken for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablate.report.confusions import class_names, confusions
from ablate.report.numbers import with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.statistics.seeds import Summary, summarize


@table("classes", order=8)
def class_table(results: Results) -> Table | None:
    """One row a layout and class; None where no run kept its answers. The CSV file has every pair."""
    rows: list[tuple[Cell, ...]] = []
    raw: list[tuple[object, ...]] = []
    for own in confusions(results):
        names = class_names(results, own.shares.shape[1])
        for true, name in enumerate(names):
            head = (Cell(own.layout, sort=own.layout), Cell(name, sort=name))
            if np.isnan(own.mean[true]).any():  # no test image has it
                rows.append((*head, *(Cell("–"),) * 3))
                continue
            shares = [summarize(column) for column in own.shares[:, true].T.tolist()]
            wrong = np.where(np.arange(len(names)) == true, -1.0, own.mean[true])
            taken = int(wrong.argmax())
            others = (Cell(names[taken], sort=names[taken]), _share(shares[taken]))
            rows.append((*head, _share(shares[true]), *(others if wrong[taken] > 0 else (Cell("–"),) * 2)))
            raw += [
                (own.layout, name, other, share.mean, share.half_width, share.n)
                for other, share in zip(names, shares, strict=True)
            ]
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


def _share(summary: Summary) -> Cell:
    return number(summary.mean, with_error(summary.mean, summary.half_width, fallback_digits=3))
