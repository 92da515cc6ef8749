"""Confusion matrices as heat maps: what the trained models take the classes for."""

from __future__ import annotations

import numpy as np

from ablate.report import style
from ablate.report.confusions import class_names, confusions
from ablate.report.drawing import Drawn
from ablate.report.register import figure
from ablate.report.results import Results

_MOST = 4  # layouts: the baseline and those that differ most from it
_MOST_CLASSES = 30


@figure("confusion", order=47)
def confusion_figure(results: Results) -> Drawn | None:
    """The baseline's matrix, and of the layouts whose own differ most from it the differences.

    None where no run kept its answers, or for more classes than can be read.
    """
    known = {own.layout: own.mean for own in confusions(results)}
    base = known.pop(str(results.baseline), None)
    if base is None or len(base) > _MOST_CLASSES:
        return None
    names = class_names(results, len(base))
    apart = sorted(known, key=lambda name: -float(np.nansum(np.abs(known[name] - base))))[: _MOST - 1]
    shown = [name for name in results.layouts if name in apart]
    figure_, panels = style.axes(1 + len(shown), height=2.6, share_y=True)
    mistakes = np.where(np.eye(len(base), dtype=bool), np.nan, base)
    most = max(1.0, float(np.nanmax(mistakes)))
    panels[0].imshow(mistakes, cmap="viridis", vmin=0, vmax=most)
    panels[0].set_title(f"{style.wrapped(str(results.baseline), 24)}\nmistakes, up to {most:.0f} %")
    largest = max([1.0, *(float(np.nanmax(np.abs(known[name] - base))) for name in shown)])
    for panel, name in zip(panels[1:], shown, strict=True):
        panel.imshow(known[name] - base, cmap="PuOr_r", vmin=-largest, vmax=largest)
        panel.set_title(f"{style.wrapped(name, 24)}\n− baseline, ±{largest:.0f} points")
    few = len(names) <= 12 and max(map(len, names)) <= 12
    for panel in panels:
        panel.set_xticks(range(len(names)), names if few else [""] * len(names), rotation=60, ha="right")
        panel.grid(visible=False)
        panel.tick_params(length=0)
        panel.set_xlabel("answer")
    panels[0].set_yticks(range(len(names)), names if few else [""] * len(names))
    panels[0].set_ylabel("class")
    rest = len(known) - len(shown)
    more = f"; {rest} more layouts are in the table" if rest > 0 else ""
    caption = (
        "Share of a class's test images that get an answer, mean over seeds: the baseline's mistakes, and "
        f"where other layouts differ from it in percentage points{more}."
    )
    return Drawn("confusion", caption, figure_)
