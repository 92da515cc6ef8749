"""Where leave-one-out and add-one disagree: an interaction."""

from __future__ import annotations

from ablate.report.effects import all_disagreements
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.report.tables.ablation import effect_table


@table("disagreements", order=6)
def disagreement_table(results: Results) -> Table | None:
    """One row a change of a base that was taken apart both ways; None where no base was."""
    return effect_table(results, "disagreements", "Disagreements", all_disagreements(results))
