"""Writes a report: tables as CSV, Markdown and LaTeX, figures as PNG and PDF, and one self-contained page.

The same ledger gives the same bytes: no dates, no random identifiers. Files are replaced whole, by a rename.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ablate.errors import AblateError
from ablate.extensions import load_extension, load_installed
from ablate.report import style
from ablate.report.columns import chosen
from ablate.report.drawing import Drawn
from ablate.report.few import few_layouts, short
from ablate.report.page import page
from ablate.report.register import figure_entries, table_entries
from ablate.report.render import to_csv, to_latex, to_markdown
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.run.facts import (
    AblationFact,
    ClassesFact,
    ExpectationFact,
    LadderFact,
    LooksFact,
    MatchFact,
    MixerFact,
    SearchFact,
    StudyFact,
)
from ablate.run.keyed_facts import DiagramFact, FormulaFact
from ablate.run.ledger import Ledger
from ablate.run.search_facts import CourseFact, EndFact

FACTS = (
    DiagramFact,
    FormulaFact,
    MixerFact,
    MatchFact,
    SearchFact,
    CourseFact,
    EndFact,
    AblationFact,
    ExpectationFact,
    LooksFact,
    LadderFact,
    ClassesFact,
)


def write_report(ledger: Ledger, out: Path) -> list[Path]:
    """Write `out/tables/*`, `out/figures/*` and `out/report.html` from a study's ledger.

    Returns the files, in that order. Tables and figures of an earlier report that have no data now are
    removed; other files stay. A figure that cannot be drawn costs itself alone, with a note in the report.
    Raises `AblateError` when `out` cannot be written.
    """
    load_installed()
    study = ledger.read(StudyFact)
    troubles = []
    for file in study.extensions if study is not None else ():
        try:
            load_extension(Path(file))
        except AblateError as error:  # the numbers of other measurements are still there
            troubles.append(f"without what an extension adds: {error}")
    return write_results(Results.of(ledger, FACTS), out, troubles)


def write_results(results: Results, out: Path, troubles: Sequence[str] = ()) -> list[Path]:
    """The same from records that are at hand; `troubles` are shown among the warnings."""
    notes = list(troubles)
    tables = []
    for entry in table_entries():
        if not (results.records or entry.name.startswith("search") or entry.name == "main"):
            continue
        try:
            made = entry.make(results)
        except Exception as error:  # what a user's text or table does costs that table alone
            notes.append(f"The table {entry.name} could not be made: {type(error).__name__}: {error}")
        else:
            tables += [made] if isinstance(made, Table) else []
    if tables and tables[0].name == "main":
        tables[0], unknown = chosen(tables[0], results.fact.columns, results.fact.names)
        notes += unknown
    with style.paper_style():
        written = _write_tables(tables, out / "tables", results.study)
        drawn = []
        some, note = few_layouts(results)
        notes += [note] if note else []
        small: dict[str, tuple[str, dict[str, bytes]]] = {}
        for entry in figure_entries():
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)  # no font has a sign, axes lack room
                    made = entry.make(some)
                    if isinstance(made, Drawn):
                        drawn.append((made, to_svg(made.figure, made.name), _rendered(made)))
                        small |= _small(entry.make, some)
            except Exception as error:  # what a name or a number does to the drawing library
                notes.append(f"The figure {entry.name} could not be drawn: {type(error).__name__}: {error}")
            notes += dict.fromkeys(f"The figure {entry.name}: {warning.message}" for warning in caught)
        names = {entry.name for entry in figure_entries()}
        names |= {f"{name}-column" for name in names}
        kept = {figure.name for figure, _, _ in drawn} | {f"{name}-column" for name in small}
        _clear(out / "figures", names - kept, ("png", "pdf"))
        for figure, _, files in drawn:
            written += [
                _write(out / "figures" / f"{figure.name}.{suffix}", data) for suffix, data in files.items()
            ]
        for name, (_, files) in small.items():
            written += [
                _write(out / "figures" / f"{name}-column.{suffix}", data) for suffix, data in files.items()
            ]
    svgs = {name: svg for name, (svg, _) in small.items()}
    html = page(
        results, list(map(short, tables)), [(figure, svg) for figure, svg, _ in drawn], svgs, warnings=notes
    )
    written.append(_write(out / "report.html", html.encode()))
    return written


def _write_tables(tables: Sequence[Table], folder: Path, study: str) -> list[Path]:
    names = {entry.name for entry in table_entries()}
    _clear(folder, names - {table.name for table in tables}, ("csv", "md", "tex"))
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


def _small(make: Callable[[Results], object], results: Results) -> dict[str, tuple[str, dict[str, bytes]]]:
    """The figure one column wide, as `<svg>` and as files, by its name."""
    with style.one_column():
        made = make(results)
        if not isinstance(made, Drawn):
            return {}
        return {made.name: (to_svg(made.figure, f"{made.name}-column"), _rendered(made))}


def _rendered(drawn: Drawn) -> dict[str, bytes]:
    """The figure's files by their suffix."""
    files = {}
    for suffix in ("png", "pdf"):
        buffer = io.BytesIO()
        blank = (
            {"Software": None}
            if suffix == "png"
            else {"CreationDate": None, "Producer": None, "Creator": None}
        )
        drawn.figure.savefig(buffer, format=suffix, metadata=blank, facecolor="white")
        files[suffix] = buffer.getvalue()
    return files


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
            with contextlib.suppress(OSError):
                (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> Path:
    """Replace a file whole; a symbolic link in its place is replaced, never followed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise AblateError(f"cannot write {path}: {error.strerror or error}") from error
    return path
