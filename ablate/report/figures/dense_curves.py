"""Learning curves of dense models: training loss over images seen, mean over seeds."""

from __future__ import annotations

from matplotlib.axes import Axes

from ablate.measurements.dense_training import DenseValues
from ablate.report import style
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
        _draw(panel, lines, looks)
        panel.set_title(_LABELS[kind], fontsize=8)
        panel.set_xlabel("Training images seen")
        panel.set_ylabel("Training loss")
    names = [name for name in results.layouts if any(name in lines for lines in shown.values())]
    style.legend(figure_, [handle(looks[name], line=True) for name in names], names)
    caption = "Training loss of dense models, each point the mean since the one before; mean over seeds."
    return Drawn("dense_curves", caption, figure_)


def _draw(panel: Axes, lines: dict[str, dict[int, float]], looks: dict[str, style.Look]) -> None:
    for name, points in lines.items():
        look = looks[name]
        panel.plot(list(points), list(points.values()), color=look.color, linestyle=look.line, linewidth=1.1)


def _curves(repeats: dict[str, Repeats]) -> dict[str, dict[int, float]]:
    """Images seen -> mean loss over the finished seeds, by layout."""
    means = {}
    for name, own in repeats.items():
        runs = [dict(r.values.curve) for r in own.records if isinstance(r.values, DenseValues)]
        if runs:
            places = sorted(set.intersection(*(set(run) for run in runs)))
            means[name] = {place: sum(run[place] for run in runs) / len(runs) for place in places}
    return means
