"""Published parameters and GMACs beside the count, with the reason of every difference that is too large."""

from __future__ import annotations

import pandas as pd

from ablate.report.numbers import signed
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, Tone, number


def published_table(results: Results) -> Table | None:
    """One row per published figure of the study's timm layouts; None when its audit met none."""
    planned = results.planned("audit")
    found = [
        figure
        for values in (planned["values"] if len(planned) else ())
        for figure in (values.get("published") or ())
    ]
    if not found:
        return None
    rows = []
    for figure in found:
        name, reason = str(figure["model"]), str(figure["reason"])
        tone: Tone = "flag" if reason == "unexplained" else ""
        params, macs = float(figure["params"]), float(figure["macs"])
        rows.append(
            (
                Cell(name, sort=name),
                number(float(figure["resolution"]), str(figure["resolution"])),
                number(float(figure["published_params_m"]), f"{figure['published_params_m']:.2f}"),
                number(params, f"{params / 1e6:.2f}", tone="" if figure["params_agree"] else "flag"),
                number(float(figure["published_gmacs"]), f"{figure['published_gmacs']:.2f}"),
                number(macs, f"{macs / 1e9:.4f}"),
                number(float(figure["error_percent"]), signed(float(figure["error_percent"]))),
                Cell(reason or "–", sort=reason, tone=tone),
                Cell(str(figure["explanation"]), sort=str(figure["explanation"])),
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
    sources = "; ".join(dict.fromkeys(str(figure["source"]) for figure in found))
    return Table(
        "published",
        "Published figures",
        "Published parameters and MACs beside the count, each at its own resolution. The error is signed, "
        "count minus published; a reason stands only where trying it gives the published digits.",
        columns,
        tuple(rows),
        pd.DataFrame(found),
        (f"Source of the published figures: {sources}.",),
    )
