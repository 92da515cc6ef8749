"""Published figures in the report: errors signed, reasons beside them, unexplained rows flagged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from ablate.report.results import Results
from ablate.report.tables.published import published_table


def figure(model: str, reason: str) -> dict[str, Any]:
    return {
        "model": model,
        "resolution": 224,
        "published_params_m": 5.29,
        "params": 5_288_548,
        "params_agree": True,
        "published_gmacs": 0.4,
        "macs": 385_814_752,
        "error_percent": -3.55,
        "reason": reason,
        "reproduced_macs": None,
        "explanation": "told why",
        "source": "a table",
    }


def results(opened: Callable[..., Results], *figures: dict[str, Any]) -> Results:
    row = {
        "layout": "a",
        "kind": "audit",
        "condition": {"resolution": 224, "mode": "as-called", "training": False},
        "status": "done",
        "reason": "",
        "values": {"macs": 1, "rows": [], "published": list(figures)},
        "provenance": {},
        "created": "2026-01-01T00:00:00+00:00",
        "duration": 1.0,
    }
    return opened(pd.DataFrame([row]), study="made up")


def test_every_figure_is_a_row_with_its_reason(opened: Callable[..., Results]) -> None:
    table = published_table(results(opened, figure("b0", "norm and pool work"), figure("b1", "unexplained")))
    assert table is not None
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0] == [
        "b0",
        "224",
        "5.29",
        "5.29",
        "0.40",
        "0.3858",
        "−3.55",
        "norm and pool work",
        "told why",
    ]
    assert [row[7].tone for row in table.rows] == ["", "flag"]
    assert table.raw["source"].tolist() == ["a table", "a table"]


def test_no_table_without_published_figures(opened: Callable[..., Results]) -> None:
    assert published_table(results(opened)) is None
