"""Learning curves of dense models: training loss over images seen, with its band over seeds."""

from __future__ import annotations

from ablate.measurements.dense_training import DenseValues
from ablate.report import style
from ablate.report.curves import Points, draw_curve, label_images, mean_curve
from ablate.report.drawing import Drawn, handle
from ablate.report.register import figure
from ablate.report.repeats import Repeats, repeats_of
from ablate.report.results import Results

_LABELS = {"detection": "Detection", "segmentation": "Segmentation"}


@figure("dense_curves", order=45)
def dense_curves(results: Results) -> Drawn | None:
    """A panel for each task that was trained; None without a finished run."""
    curves = {kind: _curves(repeats_of(results, kind)) for kind in _LABELS}
    shown = {kind: lines for kind, lines in curves.items() if lines}
    if not shown:
        return None
    figure_, panels = style.axes(len(shown))
    looks = style.looks(results.texts)
    for panel, (kind, lines) in zip(panels, shown.items(), strict=True):
        for name, points in lines.items():
            draw_curve(panel, points, looks[name])
        panel.set_title(_LABELS[kind], fontsize=8)
        label_images(panel)
        panel.set_ylabel("Training loss")
    names = [name for name in results.layouts if any(name in lines for lines in shown.values())]
    style.legend(figure_, [handle(looks[name], line=True, marker=False) for name in names], names)
    caption = (
        "Training loss of dense models since the point before. Means over seeds; bands are 95 % intervals."
    )
    return Drawn("dense_curves", caption, figure_)


def _curves(repeats: dict[str, Repeats]) -> dict[str, Points]:
    """The mean curve of every layout's finished runs."""
    curves = {}
    for name, own in repeats.items():
        points = mean_curve([dict(r.values.curve) for r in own.records if isinstance(r.values, DenseValues)])
        if points:
            curves[name] = points
    return curves
