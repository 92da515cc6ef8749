"""Which parameters of a search's space set its good trials apart, as bars."""

from __future__ import annotations

from ablate.measurements.register import quantity
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.report.style import SKY
from ablate.run.search_facts import CourseFact


@figure("search_importance", order=62)
def search_importance_figure(results: Results) -> Drawn | None:
    """A panel an objective, a bar a parameter; None where there are too few trials to say."""
    course = results.knows(CourseFact)
    if course is None or not course.importance:
        return None
    goals = list(course.importance)
    names = course.parameters[:20]
    figure_, panels = style.axes(len(goals), height=1.0 + 0.22 * len(names), share_y=True)
    for panel, goal in zip(panels, goals, strict=True):
        shares = [100 * course.importance[goal].get(name, 0.0) for name in names]
        panel.barh(range(len(names)), shares, color=SKY, height=0.7)
        style.name_rows(panel, names)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.set_xlim(left=0)
        panel.set_xlabel(f"{quantity(goal).label}: share (%)")
    return Drawn(
        "search_importance",
        "Share of each parameter in what sets the best tenth of the finished trials apart, by objective "
        "(PED-ANOVA).",
        figure_,
    )
