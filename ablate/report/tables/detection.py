"""Box AP of RetinaNet on every layout, over seeds."""

from __future__ import annotations

from ablate.report.dense_scores import score_table
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Table

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


@table("detection", order=91)
def detection_table(results: Results) -> Table | None:
    """One row a layout; None where the study detects nothing."""
    return score_table(results, "detection", "Detection", NAMES)
