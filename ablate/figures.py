"""Figures from the tidy frame of `ablate.load_results`: functions that return matplotlib axes to go on from.

Colours mean mixers and line styles the rules of layouts, as in the reports. Every function draws on `ax`, or
on new axes without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ablate.errors import AblateError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["against", "draw", "over_resolution", "over_seeds"]


def over_resolution(
    frame: pd.DataFrame, quantity: str = "macs", *, relative_to: str | None = None, ax: Axes | None = None
) -> Axes:
    """A quantity of every layout against the resolution, both axes logarithmic.

    `relative_to` names a layout: every other one is shown as a multiple of it, point by point. Cells that
    differ in more than layout and resolution must be chosen in the frame first; `AblateError` says which
    columns tell them apart.
    """
    from ablate.report.drawing import Line, draw, finish
    from ablate.report.style import LINE, paper_style

    rows = _rows(frame, quantity)
    if rows["resolution"].isna().all():
        raise AblateError(f"{quantity} was not measured by resolution")
    _alone(rows, ("layout", "resolution"), quantity)
    entry = _entry(quantity)
    tables = rows.pivot(index="layout", columns="resolution", values="value") / entry.scale
    if relative_to is not None:
        tables = tables / tables.loc[_known(relative_to, tables.index)]
    with paper_style():
        panel = _axes(ax)
        looks = _looks(rows)
        lines = {}
        for name in rows["layout"].unique():
            points = {int(side): float(value) for side, value in tables.loc[name].dropna().items()}
            lines[name] = Line(points)
            draw(panel, lines[name], looks[name], LINE)
            panel.lines[-1].set_label(name)
        finish(panel, lines.values(), f"{entry.label} / {relative_to}" if relative_to else entry.title)
        _legend(panel, lines, looks)
    return panel


def over_seeds(
    frame: pd.DataFrame, quantity: str = "accuracy", *, order: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Mean over seeds with its 95 % interval (Student's t), a row a layout, the single runs as faint dots."""
    from ablate.report.drawing import face
    from ablate.report.style import paper_style
    from ablate.statistics.seeds import summarize

    rows = _rows(frame, quantity)
    entry = _entry(quantity)
    names = list(order) or list(rows["layout"].unique())
    with paper_style():
        panel = _axes(ax)
        looks = _looks(rows)
        for place, name in enumerate(names):
            values = (rows.loc[rows["layout"] == name, "value"] / entry.scale).tolist()
            if not values:
                raise AblateError(f"no {quantity} of {name!r}")
            summary = summarize(values)
            panel.plot(values, [place] * len(values), ".", color=looks[name].color, alpha=0.35)
            panel.errorbar(
                summary.mean,
                place,
                xerr=summary.half_width,
                color=looks[name].color,
                marker=looks[name].marker or "o",
                markerfacecolor=face(looks[name]),
            )
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.set_xlabel(entry.title)
    return panel


def against(frame: pd.DataFrame, x: str = "macs", y: str = "accuracy", *, ax: Axes | None = None) -> Axes:
    """One quantity against another, a point a layout: means over seeds, with their 95 % intervals."""
    from ablate.report.drawing import face
    from ablate.report.style import paper_style
    from ablate.statistics.seeds import summarize

    sides = {name: _rows(frame, name) for name in (x, y)}
    for name, rows in sides.items():
        _alone(rows, ("layout", "seed"), name)
    with paper_style():
        panel = _axes(ax)
        looks = _looks(pd.concat(list(sides.values())))
        for name in sides[y]["layout"].unique():
            known = [
                summarize((rows.loc[rows["layout"] == name, "value"] / _entry(key).scale).tolist())
                for key, rows in sides.items()
                if (rows["layout"] == name).any()
            ]
            if len(known) < 2:
                continue
            panel.errorbar(
                known[0].mean,
                known[1].mean,
                xerr=known[0].half_width,
                yerr=known[1].half_width,
                color=looks[name].color,
                marker=looks[name].marker or "o",
                markerfacecolor=face(looks[name]),
                linestyle="",
                label=name,
            )
        panel.set_xlabel(_entry(x).title)
        panel.set_ylabel(_entry(y).title)
        panel.legend()
    return panel


def draw(name: str, folder: str | Path, *, column: bool = False) -> list[Axes]:
    """The axes of a report's own figure, by its name, from a folder of results; `column` for one column.

    Raises `AblateError` for a name that is none, or where the study has no data for it.
    """
    from contextlib import nullcontext

    from ablate.report.drawing import Drawn
    from ablate.report.register import figure_entries
    from ablate.report.results import Results
    from ablate.report.style import one_column, paper_style
    from ablate.report.write import FACTS
    from ablate.run.ledger import FILE, Ledger

    entries = {entry.name: entry for entry in figure_entries()}
    if name not in entries:
        raise AblateError(f"unknown figure {name!r}{did_you_mean(name, list(entries))}")
    with Ledger(Path(folder) / FILE, read_only=True) as ledger:
        results = Results.of(ledger, FACTS)
    with paper_style(), one_column() if column else nullcontext():
        drawn = entries[name].make(results)
    if not isinstance(drawn, Drawn):
        raise AblateError(f"{folder} has no data for the figure {name!r}")
    return list(drawn.figure.axes)


def _rows(frame: pd.DataFrame, quantity: str) -> pd.DataFrame:
    entry = _entry(quantity)
    rows: pd.DataFrame = frame[(frame["quantity"] == entry.name) & frame["value"].notna()]
    if rows.empty:
        raise AblateError(f"the frame has no values of {quantity!r}")
    return rows


def _entry(name: str) -> Any:
    from ablate.measurements.register import quantity

    return quantity(name)


def _alone(rows: pd.DataFrame, names: Sequence[str], quantity: str) -> None:
    """Whether these columns tell all rows apart. Raises `AblateError` that names those that do besides."""
    by = [name for name in names if name in rows]
    if not rows.duplicated(by).any():
        return
    last = list(rows.columns).index("quantity")
    others = [
        name
        for name in list(rows.columns)[2:last]
        if name not in by and rows[name].map(str).nunique(dropna=False) > 1
    ]
    raise AblateError(
        f"{quantity} was measured under several conditions; choose rows by {', '.join(others) or 'condition'}"
    )


def _known(name: str, names: pd.Index) -> str:
    if name not in names:
        raise AblateError(f"no layout {name!r}{did_you_mean(name, list(map(str, names)))}")
    return name


def _looks(rows: pd.DataFrame) -> dict[str, Any]:
    from ablate.report.style import looks

    texts = rows.attrs.get("layouts", {})
    return looks({name: texts.get(name, name) for name in rows["layout"].unique()})


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    _, panel = pyplot.subplots(figsize=(4.2, 3.1), layout="constrained")
    return panel


def _legend(panel: Axes, lines: Any, looks: Any) -> None:
    from ablate.report.drawing import handle

    panel.legend([handle(looks[name], line=True) for name in lines], list(lines))
