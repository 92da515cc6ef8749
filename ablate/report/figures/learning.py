"""Learning curves: training loss, and top-1 on the way where it was judged, with their bands over seeds."""

from __future__ import annotations

from ablate.measurements.accuracy import AccuracyValues
from ablate.report import style
from ablate.report.curves import Points, draw_curve, label_images, mean_curve
from ablate.report.drawing import Drawn, handle
from ablate.report.register import figure
from ablate.report.results import Results


@figure("learning", order=45)
def learning_figure(results: Results) -> Drawn | None:
    """A panel for the loss and one for top-1, where runs kept these; None without any."""
    panels_of = {
        "Training loss (nats)": _curves(results, "curve"),
        "Top-1 on the way (%)": _curves(results, "test_curve"),
    }
    shown = {label: lines for label, lines in panels_of.items() if lines}
    if not shown:
        return None
    figure_, panels = style.axes(len(shown))
    looks = style.looks(results.texts)
    for panel, (label, lines) in zip(panels, shown.items(), strict=True):
        for name, points in lines.items():
            draw_curve(panel, points, looks[name])
        label_images(panel)
        panel.set_ylabel(label)
    names = [name for name in results.layouts if any(name in lines for lines in shown.values())]
    style.legend(figure_, [handle(looks[name], line=True, marker=False) for name in names], names)
    caption = "Learning curves: means over seeds; bands are 95 % intervals where there are two seeds or more."
    if "Top-1 on the way (%)" in shown:
        caption += " Nothing was chosen by the test images."
    return Drawn("learning", caption, figure_)


def _curves(results: Results, name: str) -> dict[str, Points]:
    """The mean curve of every layout whose runs have one of two points or more."""
    curves = {}
    for layout in results.layouts:
        runs = [
            dict(getattr(record.values, name))
            for record in results.done("accuracy", layout=layout)
            if isinstance(record.values, AccuracyValues)
        ]
        points = mean_curve([run for run in runs if len(run) > 1])
        if points:
            curves[layout] = points
    return curves
