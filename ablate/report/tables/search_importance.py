"""Which parameters of a search's space set its good trials apart."""

from __future__ import annotations

import math

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.run.search_facts import CourseFact


@table("search_importance", order=142)
def search_importance_table(results: Results) -> Table | None:
    """One row a parameter, a column an objective; None where there are too few trials to say."""
    course = results.knows(CourseFact)
    if course is None or not course.importance:
        return None
    goals = list(course.importance)
    names = course.parameters
    rows = []
    for name in names:
        shares = [course.importance[goal].get(name, math.nan) for goal in goals]
        rows.append((Cell(name, sort=name), *(number(share, f"{100 * share:.0f}") for share in shares)))
    columns = (Column("Parameter", left=True), *(Column(f"{quantity(goal).label} (%)") for goal in goals))
    raw = pd.DataFrame(
        [{"parameter": name} | {goal: course.importance[goal].get(name) for goal in goals} for name in names]
    )
    caption = (
        "Share of each parameter in what sets the best tenth of the finished trials apart, by objective "
        "(PED-ANOVA, Watanabe et al., 2023). Stages count from 1. It describes this search's trials, and "
        "resolves little with few of them."
    )
    return Table("search_importance", "Search: which parameters mattered", caption, columns, tuple(rows), raw)
