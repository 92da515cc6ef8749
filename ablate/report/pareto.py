"""The outcome of a search: trials, the front among them, as a figure and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ablate.report import style
from ablate.report.metrics import METRICS
from ablate.report.numbers import with_error
from ablate.report.style import GREY, RED, SKY
from ablate.report.table import Cell, Column, Table, number

_SMALLER = {"(G)": "(M)", "(M)": "(k)"}
_ALIASES = {"accuracy": "top1", "memory": "peak"}


def split_objective(objective: str) -> tuple[str, bool]:
    """`minimize macs` -> `("macs", True)`. Raises `ValueError` when the direction is neither word."""
    direction, _, name = objective.strip().partition(" ")
    if direction not in ("minimize", "maximize") or not name.strip():
        raise ValueError(f"an objective reads 'minimize macs' or 'maximize accuracy', got {objective!r}")
    return name.strip(), direction == "minimize"


def on_front(trials: pd.DataFrame, objectives: Sequence[str]) -> pd.Series:
    """Which trials no other one beats in all objectives; infeasible and unfinished ones never are."""
    signs = {name: 1.0 if smaller else -1.0 for name, smaller in map(split_objective, objectives)}
    usable = trials[list(signs)].notna().all(axis=1)
    if "feasible" in trials:
        usable &= trials["feasible"].astype(bool)
    if "repeats" in trials:  # a network that was proposed again counts once
        usable &= ~trials["repeats"].astype(bool)
    points = trials[list(signs)].to_numpy(dtype=float) * np.array(list(signs.values()))
    found = []
    for index, point in enumerate(points):
        others = points[usable.to_numpy()]
        beaten = ((others <= point).all(axis=1) & (others < point).any(axis=1)).any()
        found.append(bool(usable.iloc[index] and not beaten))
    return pd.Series(found, index=trials.index, dtype=bool)


def pareto_figure(trials: pd.DataFrame, objectives: Sequence[str]) -> Figure:
    """The first objective against each other one, with the front; one objective: its progress over trials.

    `trials` has one row per trial: a column per objective (named as in `minimize macs`, raw units, NaN when
    not evaluated), and if known `number`, `feasible` and `repeats` (a network that was proposed before).
    """
    names = [split_objective(objective)[0] for objective in objectives]
    front = on_front(trials, objectives)
    feasible = (
        trials["feasible"].astype(bool) if "feasible" in trials else pd.Series(True, index=trials.index)
    )
    if len(names) == 1:
        return _progress(trials, objectives[0], feasible)
    smaller = split_objective(objectives[0])[1]
    figure, panels = style.axes(len(names) - 1, height=3.3)
    for panel, other in zip(panels, names[1:], strict=True):
        _, x_scale, x_title = axis_of(names[0], trials)
        _, y_scale, y_title = axis_of(other, trials)
        x, y = trials[names[0]] / x_scale, trials[other] / y_scale
        raster = len(trials) > 1000  # as pixels inside the vector files, which stay small
        marks: dict[str, Any] = {"linestyle": "", "markersize": 4, "rasterized": raster}
        panel.plot(x[~feasible], y[~feasible], marker="x", color=GREY, label="breaks a constraint", **marks)
        rest = feasible & ~front
        panel.plot(x[rest], y[rest], marker="o", color=SKY, label="feasible", **marks)
        order = x[front].sort_values().index
        line: dict[str, Any] = {
            "linestyle": "-" if len(names) == 2 else "",
            "drawstyle": f"steps-{'post' if smaller else 'pre'}",
        }
        panel.plot(x[order], y[order], marker="o", color=RED, markersize=5, label="Pareto front", **line)
        positive = [float(value) for value in x.dropna() if value > 0]
        if positive and max(positive) / min(positive) > 3:
            style.log_axis(panel, "x", positive)
        panel.set_xlabel(x_title)
        panel.set_ylabel(y_title)
        panel.margins(0.08)
    handles, labels = panels[0].get_legend_handles_labels()
    placed = trials[names].notna().all(axis=1)
    empty = {"breaks a constraint": not (placed & ~feasible).any(), "feasible": not (feasible & ~front).any()}
    shown = [
        (handle, text) for handle, text in zip(handles, labels, strict=True) if not empty.get(text, False)
    ]
    style.legend(figure, [handle for handle, _ in shown], [text for _, text in shown])
    return figure


def _progress(trials: pd.DataFrame, objective: str, feasible: pd.Series) -> Figure:
    name, smaller = split_objective(objective)
    _, scale, title = axis_of(name, trials)
    number_of = trials["number"] if "number" in trials else pd.Series(range(len(trials)), index=trials.index)
    values = trials[name] / scale
    usable = values.where(feasible)
    best = usable.cummin() if smaller else usable.cummax()
    figure, (panel,) = style.axes()
    panel.plot(number_of, values.where(~feasible), "x", color=GREY, markersize=4, label="breaks a constraint")
    panel.plot(number_of, usable, "o", color=SKY, markersize=4, label="feasible")
    panel.plot(number_of, best.ffill(), "-", drawstyle="steps-post", color=RED, label="best so far")
    panel.set_xlabel("Trial")
    panel.set_ylabel(title)
    style.legend(figure, *panel.get_legend_handles_labels())
    return figure


def trial_table(trials: pd.DataFrame, objectives: Sequence[str]) -> Table:
    """The front's trials, best in the first objective first; the CSV has all trials."""
    front = on_front(trials, objectives)
    named = [split_objective(objective) for objective in objectives]
    shown = trials[front].sort_values(named[0][0], ascending=named[0][1])
    texts = [column for column in ("number", "name", "text", "widths", "depths") if column in trials]
    rows = []
    for record in shown.to_dict("records"):
        cells = [Cell(str(record[column]), sort=_sortable(record[column])) for column in texts]
        for name, _ in named:
            digits, scale, _title = axis_of(name, trials)
            value = float(record[name])
            spread = record.get("spread") if name == "accuracy" else None
            cells.append(number(value, with_error(value / scale, spread, fallback_digits=digits)))
        rows.append(tuple(cells))
    heads = {"number": "trial", "name": "Layout", "text": "definition"}
    columns = (
        *(Column(heads.get(column, column), left=column != "number") for column in texts),
        *(Column(axis_of(name, trials)[2]) for name, _ in named),
    )
    caption = f"{len(shown)} of {len(trials)} trials are on the front: {', '.join(objectives)}."
    if "accuracy" in dict(named) and trials.get("spread", pd.Series(dtype=float)).notna().any():
        caption += " ± is the standard deviation over seeds."
    raw = trials.assign(on_front=front)
    return Table("search", "Search: the Pareto front", caption, columns, tuple(rows), raw)


def axis_of(name: str, trials: pd.DataFrame) -> tuple[int, float, str]:
    """Digits, scale and title of an objective: those of the metric with this name, else the name itself.

    Where the metric's prefix is far too large for these trials, the next smaller one is taken.
    """
    wanted = _ALIASES.get(name, name)
    for metric in METRICS:
        if metric.name == wanted:
            smaller = _SMALLER.get(metric.title[-3:])
            if smaller and trials[name].max() < 0.01 * metric.scale:
                return metric.digits, metric.scale / 1000, metric.title[:-3] + smaller
            return metric.digits, metric.scale, metric.title
    return 4, 1.0, name


def _sortable(value: object) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value)
