"""What each layout's name stands for."""

from __future__ import annotations

import pandas as pd

from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table


@table("layouts", order=130)
def layout_table(results: Results) -> Table | None:
    """Each layout in the layout language; left out when only names are known."""
    if all(name == text for name, text in results.texts.items()):
        return None
    rows = tuple((Cell(name, sort=name), Cell(text, sort=text)) for name, text in results.texts.items())
    raw = pd.DataFrame(list(results.texts.items()), columns=["layout", "definition"])
    columns = (Column("Layout", left=True), Column("definition", left=True))
    return Table("layouts", "Layouts", "Each layout in the layout language.", columns, rows, raw)
