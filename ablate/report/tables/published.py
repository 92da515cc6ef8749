"""Published parameters and GMACs beside the count, with the reason of every difference that is too large."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from ablate.measurements.audit import AuditValues
from ablate.report.numbers import signed
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, Tone, number


@table("published", order=110)
def published_table(results: Results) -> Table | None:
    """One row per published figure of the study's timm layouts; None when its audit met none."""
    audits = (record.values for record in results.planned("audit"))
    figures = [figure for values in audits if isinstance(values, AuditValues) for figure in values.published]
    if not figures:
        return None
    rows = []
    for figure in figures:
        tone: Tone = "flag" if figure.reason == "unexplained" else ""
        params, macs = float(figure.params), float(figure.macs)
        rows.append(
            (
                Cell(figure.model, sort=figure.model),
                number(float(figure.resolution), str(figure.resolution)),
                number(figure.published_params_m, f"{figure.published_params_m:.2f}"),
                number(params, f"{params / 1e6:.2f}", tone="" if figure.params_agree else "flag"),
                number(figure.published_gmacs, f"{figure.published_gmacs:.2f}"),
                number(macs, f"{macs / 1e9:.4f}"),
                number(figure.error_percent, signed(figure.error_percent)),
                Cell(figure.reason or "–", sort=figure.reason, tone=tone),
                Cell(figure.explanation, sort=figure.explanation),
            )
        )
    columns = (
        Column("Model", left=True),
        Column("px"),
        Column("published", "parameters (M)"),
        Column("counted", "parameters (M)"),
        Column("published", "MACs (G)"),
        Column("counted", "MACs (G)"),
        Column("error (%)", "MACs (G)"),
        Column("reason", left=True),
        Column("explanation", left=True),
    )
    sources = "; ".join(dict.fromkeys(figure.source for figure in figures))
    return Table(
        "published",
        "Published figures",
        "Published parameters and MACs beside the count, each at its own resolution. The error is signed, "
        "count minus published; a reason stands only where trying it gives the published digits.",
        columns,
        tuple(rows),
        pd.DataFrame([asdict(figure) for figure in figures]),
        (f"Source of the published figures: {sources}.",),
    )
