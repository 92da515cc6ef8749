"""Every layout on every diagnostic task, by difficulty."""

from __future__ import annotations

import pandas as pd

from ablate.report.numbers import with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.scores import scores
from ablate.report.table import Cell, Column, Table, number
from ablate.statistics.seeds import Summary


@table("diagnostics", order=95)
def diagnostics_table(results: Results) -> Table | None:
    """One row a layout, task and difficulty; None where the study has no diagnostic tasks."""
    known = scores(results)
    if not known:
        return None
    rows, raw = [], []
    for score in known:
        for name, summary in (("all", score.overall), *score.groups.items()):
            texts = (score.layout, score.task, name)
            rows.append((*(Cell(text, sort=text) for text in texts), _cell(summary)))
            raw.append((*texts, summary.mean, summary.half_width, summary.n))
    columns = ["layout", "task", "difficulty", "accuracy_percent", "accuracy_ci95_half_width", "seeds"]
    return Table(
        "diagnostics",
        "Diagnostic tasks",
        "Share of right answers in percent, by difficulty; ± is the 95 % interval over seeds.",
        tuple(
            Column(head, left=head != "accuracy (%)")
            for head in ("Layout", "task", "difficulty", "accuracy (%)")
        ),
        tuple(rows),
        pd.DataFrame(raw, columns=columns),
    )


def _cell(summary: Summary) -> Cell:
    return number(summary.mean, with_error(summary.mean, summary.half_width, fallback_digits=3))
