"""All figures of a study. A figure function returns None without data; only the writer saves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ablate.report.drawing import Crossover, Drawn
from ablate.report.results import Results
from ablate.report.scaling_figures import latency_figure, macs_figure, memory_figure
from ablate.report.trade_figures import accuracy_figure, stage_figure

__all__ = ["Crossover", "Drawn", "all_figures"]


def all_figures(results: Results, crossovers: Sequence[Crossover] = ()) -> list[Drawn]:
    """Every figure the study has data for. Call it, and save what it gives, under `style.paper_style()`."""
    builders: Sequence[Callable[[], Drawn | None]] = (
        lambda: macs_figure(results, crossovers),
        lambda: memory_figure(results, crossovers),
        lambda: latency_figure(results, crossovers),
        lambda: accuracy_figure(results),
        lambda: stage_figure(results),
    )
    return [drawn for builder in builders if (drawn := builder()) is not None]
