"""Effects of an ablation as a forest plot: a row a change, with its 95 % interval."""

from __future__ import annotations

import math

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.effects import Effects, ablations, effects_on, quantities_of
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.statistics.compare import Verdict

_COLORS: dict[Verdict, int] = {"better": 2, "worse": 3, "equivalent": 0, "not resolved": 7}
_COLOR_NAMES: dict[Verdict, str] = {
    "better": "green",
    "worse": "red",
    "equivalent": "blue",
    "not resolved": "grey",
}
MOST_ROWS = 60


def color_of(verdict: Verdict) -> str:
    """The colour of a verdict."""
    return style.palette()[_COLORS[verdict]]


@figure("effects", order=45)
def forest_figure(results: Results) -> Drawn | None:
    """Measured effects, a panel a quantity; None where no ablation has one with an interval."""
    panels: dict[str, list[Effects]] = {}
    for wanted in quantities_of(results):
        if wanted.name not in ("accuracy", "latency"):
            continue
        for ablation in ablations(results):
            rows = tuple(
                row for row in effects_on(results, ablation, wanted) if not math.isnan(row.effect + row.low)
            )
            if rows:
                effects = Effects(ablation, wanted, rows, wanted.name == "latency", exact=False)
                panels.setdefault(wanted.name, []).append(effects)
    if not panels:
        return None
    names = _names([effects for group in panels.values() for effects in group])
    figure_, axes = style.axes(len(panels), height=1.0 + 0.2 * len(names), share_y=True)
    for panel, group in zip(axes, panels.values(), strict=True):
        wanted, ratio = group[0].quantity, group[0].ratio
        panel.axvline(1.0 if ratio else 0.0, color=style.INK, linewidth=0.8)
        for effects in group:
            for row in effects.rows:
                place = names.get(_name(effects, row.change))
                if place is None:
                    continue
                panel.errorbar(
                    row.effect,
                    place,
                    xerr=[[row.effect - row.low], [row.high - row.effect]],
                    color=color_of(row.verdict),
                    marker="o",
                    markersize=4.5,
                    elinewidth=1.1,
                )
        panel.set_xlabel(f"{wanted.label}, factor" if ratio else f"{wanted.label}, difference (points)")
        style.name_rows(panel, list(names))
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.margins(x=0.08)
    shown = dict.fromkeys(row.verdict for group in panels.values() for e in group for row in e.rows)
    words = ", ".join(f"{verdict} ({_COLOR_NAMES[verdict]})" for verdict in shown)
    caption = f"Effects of the changes with 95 % intervals; after Holm's correction: {words}."
    more = sum(len(e.rows) for group in panels.values() for e in group) - MOST_ROWS
    if len(names) == MOST_ROWS and more > 0:
        caption += " The other effects are in the table."
    return Drawn("effects", caption, figure_)


def _names(groups: list[Effects]) -> dict[str, int]:
    """The rows' labels and their places."""
    names = dict.fromkeys(_name(effects, row.change) for effects in groups for row in effects.rows)
    return {name: place for place, name in enumerate(list(names)[:MOST_ROWS])}


def _name(effects: Effects, change: str) -> str:
    return f"{effects.ablation.base}: {change} ({effects.ablation.design})"
