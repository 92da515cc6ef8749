"""Error against MACs for every ladder, with the fitted laws and their bands."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from ablate.report import style
from ablate.report.drawing import Drawn, face, handle
from ablate.report.ladders import fitted
from ablate.report.register import figure
from ablate.report.results import Results
from ablate.statistics.seeds import summarize


@figure("ladder", order=48)
def ladder_figure(results: Results) -> Drawn | None:
    """Means over seeds with 95 % intervals; a curve and a band only where a law was found."""
    fits = fitted(results)
    if fits is None:
        return None
    figure_, (panel,) = style.axes()
    looks = style.looks({name: results.texts.get(name, name) for name in fits.losses})
    everywhere = [macs / 1e6 for sizes in fits.losses.values() for macs in sizes]
    style.log_axis(panel, "x", everywhere)
    for name, sizes in fits.losses.items():
        look, points = looks[name], sorted(sizes)
        means = [fmean(sizes[macs].values()) for macs in points]
        halves = [summarize(list(sizes[macs].values())).half_width or 0.0 for macs in points]
        panel.errorbar(
            [macs / 1e6 for macs in points],
            means,
            yerr=halves,
            color=look.color,
            linestyle="",
            marker=look.marker,
            markerfacecolor=face(look),
            elinewidth=0.9,
        )
        ladder = fits.ladders[name]
        if ladder.fit.law is None:
            continue
        grid = np.geomspace(points[0], points[-1], 60)
        panel.plot(grid / 1e6, [ladder.law(macs) for macs in grid], look.line, color=look.color)
        low, high = ladder.band(grid.tolist())
        panel.fill_between(grid / 1e6, low, high, color=look.color, alpha=0.13, linewidth=0)
    panel.set_xlabel(f"MACs at {results.reference} px (M)")
    panel.set_ylabel(f"Error, {results.planned('accuracy')[0].at('dataset')} (%)")
    names = list(fits.losses)
    style.legend(figure_, [handle(looks[name], line=True) for name in names], names)
    caption = "Error against MACs; bars are 95 % intervals over seeds, bands those of the law."
    without = [name for name in names if fits.ladders[name].fit.law is None]
    if without:
        reasons = "; ".join(f"{name}: {fits.ladders[name].fit.note}" for name in without)
        caption += f" No law: {reasons}."
    return Drawn("ladder", caption, figure_)
