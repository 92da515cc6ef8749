"""Top-1 against MACs at the reference resolution, with 95 % intervals over seeds."""

from __future__ import annotations

import math

from ablate.measurements.register import quantity
from ablate.report import overlap, style
from ablate.report.accuracy import accuracies
from ablate.report.drawing import Drawn, face, handle, lines_of
from ablate.report.register import figure
from ablate.report.results import Results


@figure("accuracy", order=40)
def accuracy_figure(results: Results) -> Drawn | None:
    """What accuracy costs; None where a study has not both."""
    known = {name: accuracy for name, accuracy in accuracies(results).items() if accuracy.finished}
    side = _counted_at(results)
    counted = lines_of(results, results.done("complexity", resolution=side), quantity("macs"))
    points = {name: next(iter(counted[name].points.values())) for name in known if name in counted}
    if not points:
        return None
    figure_, (panel,) = style.axes()
    looks = style.looks(results.texts)
    style.log_axis(panel, "x", list(points.values()))
    places = overlap.side_by_side(points)
    for name, x in places.items():
        half = known[name].half_width
        panel.errorbar(
            x,
            known[name].mean,
            yerr=None if math.isnan(half) else half,
            color=looks[name].color,
            marker=looks[name].marker,
            markerfacecolor=face(looks[name]),
            markersize=5.5,
            elinewidth=1,
            zorder=3,
        )
    panel.margins(x=0.08, y=0.12)
    panel.set_xlabel(f"MACs at {side} px (G)")
    panel.set_ylabel(f"Top-1, {results.planned('accuracy')[0].at('dataset')} (%)")
    order = sorted(points, key=lambda name: -known[name].mean)
    style.legend(figure_, [handle(looks[name], line=False) for name in order], order)
    caption = "Accuracy after the short schedule against MACs; bars are 95 % intervals over seeds."
    if places != points:
        caption += " Points with nearly equal MACs are set side by side."
    without = [name for name in results.layouts if name not in points]
    if without:
        caption += f" Not drawn, for want of a number: {', '.join(without)}."
    return Drawn("accuracy", caption, figure_)


def _counted_at(results: Results) -> int | None:
    """The resolution that was trained at, where costs were counted at it; else that of the tables."""
    planned = results.planned("accuracy")
    side = planned[0].at("resolution") if planned else None
    return int(side) if side in results.resolutions("complexity") else results.reference
