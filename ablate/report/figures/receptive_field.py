"""Pictures of the effective receptive field: a row a layout, a column a stage."""

from __future__ import annotations

import numpy as np

from ablate.measurements.receptive_field import ReceptiveFieldValues
from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.register import figure
from ablate.report.results import Results

_MOST_ROWS = 8


@figure("receptive_field", order=47)
def receptive_field_figure(results: Results) -> Drawn | None:
    """The mean gradient of the first seed of each layout, brighter where it is larger, on a root scale."""
    shown: dict[str, ReceptiveFieldValues] = {}
    for record in results.done("receptive_field"):
        if isinstance(record.values, ReceptiveFieldValues):
            shown.setdefault(record.layout, record.values)
    if not shown:
        return None
    rows = list(shown.items())[:_MOST_ROWS]
    stages = max(len(values.last) for _, values in rows)
    figure_, panels = style.grid(len(rows), stages, height=1.35)
    for line, (name, values) in zip(panels, rows, strict=True):
        for panel, field in zip(line, values.last, strict=False):
            picture = np.sqrt(np.asarray(field.picture))
            panel.imshow(picture / picture.max(), cmap="magma", interpolation="nearest")
            panel.set_title(f"{field.most.mean:.0f} % hold 95 %", fontsize=6.5, pad=2)
        line[0].set_ylabel(name, fontsize=6.5)
    when = "after training" if rows[0][1].after is not None else "untrained"
    caption = (
        f"Effective receptive field of the centre of each stage's output, {when}, root scale, stage by stage."
    )
    if len(shown) > len(rows):
        caption += f" The first {len(rows)} of {len(shown)} layouts."
    return Drawn("receptive_field", caption, figure_)
