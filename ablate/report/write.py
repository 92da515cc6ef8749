"""Writes a report: tables as CSV, Markdown and LaTeX, figures as PNG and PDF, and one self-contained page.

The same frame gives the same bytes: no dates, no random identifiers.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ablate.report import style
from ablate.report.crossings import crossings, marks
from ablate.report.drawing import Drawn
from ablate.report.figures import all_figures
from ablate.report.page import page
from ablate.report.pareto import pareto_figure, trial_table
from ablate.report.render import to_csv, to_latex, to_markdown
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.report.tables import all_tables

_TABLES = (
    "main",
    "budget",
    "scaling",
    "exponents",
    "crossovers",
    "formulas",
    "stages",
    "memory",
    "throughput",
    "seeds",
    "audit",
    "published",
    "missing",
    "layouts",
    "search",
)
_FIGURES = ("macs", "memory", "latency", "accuracy", "stages", "pareto")


def write_report(
    frame: pd.DataFrame,
    out: Path,
    *,
    study: str,
    baseline: str | None,
    front: pd.DataFrame | None = None,
    objectives: Sequence[str] = (),
    layouts: Mapping[str, str] | None = None,
    reference: int | None = None,
    source: str | None = None,
    commands: Sequence[str] = (),
    warnings: Sequence[str] = (),
    matches: Sequence[Mapping[str, Any]] = (),
    formulas: Sequence[Mapping[str, Any]] = (),
) -> list[Path]:
    """Write `out/tables/*`, `out/figures/*` and `out/report.html`; returns the files, in that order.

    `frame` is `Ledger.frame()`. `front` holds a search's trials and `objectives` its objectives, as
    `pareto_figure` takes them. `layouts` says what each name stands for, `reference` the resolution in pixels
    of the tables that show one, `source` is the study's text, `commands` reproduce it, `warnings` are shown
    at the top beside those that the frame itself gives rise to, `matches` and `formulas` are the rows of the
    ledger's facts of these names. Tables and figures of an earlier report that
    have no data now are removed.
    """
    results = Results(frame, study=study, baseline=baseline, texts=layouts, reference=reference)
    tables = all_tables(results, matches, formulas)
    with style.paper_style():
        figures = all_figures(results, marks(crossings(results)))
        if front is not None and len(front):
            tables.append(trial_table(front, objectives))
            figures.append(
                Drawn(
                    "pareto", "Trials of the search and their Pareto front.", pareto_figure(front, objectives)
                )
            )
        written = _write_tables(tables, out / "tables", study)
        written += _write_figures(figures, out / "figures")
        drawings = [(drawn, to_svg(drawn.figure, drawn.name)) for drawn in figures]
    html = page(results, tables, drawings, source=source, commands=commands, warnings=warnings)
    written.append(_write(out / "report.html", html.encode()))
    return written


def _write_tables(tables: Sequence[Table], folder: Path, study: str) -> list[Path]:
    _clear(folder, set(_TABLES) - {table.name for table in tables}, ("csv", "md", "tex"))
    written = []
    for table in tables:
        label = re.sub(r"[^a-zA-Z0-9]+", "-", f"{study}-{table.name}").strip("-").lower()
        for suffix, text in (
            ("csv", to_csv(table)),
            ("md", to_markdown(table)),
            ("tex", to_latex(table, label)),
        ):
            written.append(_write(folder / f"{table.name}.{suffix}", text.encode()))
    return written


def _write_figures(figures: Sequence[Drawn], folder: Path) -> list[Path]:
    _clear(folder, set(_FIGURES) - {drawn.name for drawn in figures}, ("png", "pdf"))
    written = []
    for drawn in figures:
        for suffix in ("png", "pdf"):
            buffer = io.BytesIO()
            blank = (
                {"Software": None}
                if suffix == "png"
                else {"CreationDate": None, "Producer": None, "Creator": None}
            )
            drawn.figure.savefig(buffer, format=suffix, metadata=blank, facecolor="white")
            written.append(_write(folder / f"{drawn.name}.{suffix}", buffer.getvalue()))
    return written


def to_svg(figure: Figure, name: str) -> str:
    """A figure as an `<svg>` element to put into a page: text as text, no prologue, no metadata, no links,
    identifiers prefixed with `name`, and ink, grid and paper as the page's own colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for color, variable in ((style.INK, "--ink"), (style.GRID, "--line"), (style.PAPER, "--paper")):
        svg = svg.replace(color, f"var({variable})")
    return re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1)


def _clear(folder: Path, names: set[str], suffixes: Sequence[str]) -> None:
    for name in names:
        for suffix in suffixes:
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
