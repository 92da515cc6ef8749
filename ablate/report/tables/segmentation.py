"""mIoU of Semantic FPN on every layout, over seeds."""

from __future__ import annotations

from ablate.report.dense_scores import score_table
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Table


@table("segmentation", order=92)
def segmentation_table(results: Results) -> Table | None:
    """One row a layout; None where the study segments nothing."""
    return score_table(results, "segmentation", "Segmentation", ("miou", "pixel_accuracy", "class_accuracy"))
