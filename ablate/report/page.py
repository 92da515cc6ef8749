"""The report as one self-contained HTML page: no script, font, image or style comes from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ablate.measurements.register import measurement
from ablate.quantities import Quantity
from ablate.report.align import Aligned, aligned
from ablate.report.drawing import Drawn
from ablate.report.findings import failures, findings
from ablate.report.notes import busy_note, missing_note, uncounted_notes
from ablate.report.numbers import plural, significant
from ablate.report.results import Results
from ablate.report.sections import sections
from ablate.report.table import Column, Table
from ablate.run.records import plain

_FACTS = {
    "device": "Device",
    "processor": "Processor",
    "cores": "Cores",
    "threads": "Threads",
    "load_average": "Load average at the start",
    "platform": "Platform",
    "python": "Python",
    "torch": "PyTorch",
    "timm": "timm",
    "ablate": "ablate-vision",
    "git_commit": "Commit",
    "git_dirty": "Uncommitted changes",
    "command": "Command",
}


@dataclass(frozen=True)
class _Head:
    """A heading above one or several columns."""

    text: str
    width: int


def page(
    results: Results,
    tables: Sequence[Table],
    drawings: Sequence[tuple[Drawn, str]],
    small: Mapping[str, str] | None = None,
    *,
    warnings: Sequence[str] = (),
) -> str:
    """The page's HTML. `drawings` are figures with their `<svg>` elements, `small` has those for narrow
    screens by name; everything else is escaped."""
    environment = Environment(
        loader=PackageLoader("ablate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(heads=heads, aligned=spaced)
    finished = len(results.records) - len(results.not_done)
    cells = plural(len(results.records), "cell")
    fact = results.fact
    return environment.get_template("report.html.j2").render(
        study=results.study,
        summary=f"{plural(len(results.layouts), 'layout')}, {finished} of {cells} done",
        measured=measured(results),
        warnings=[*warnings, *fact.warnings, *page_warnings(results)],
        facts=facts(results),
        main=tables[0],
        tables=tables[1:],
        drawings=[(drawn, Markup(svg), Markup((small or {}).get(drawn.name, ""))) for drawn, svg in drawings],
        findings=findings(results, tables),
        failures=failures(results),
        sections=sections(results),
        folder=f"results/{results.study}",
        definitions=definitions(results),
        source=fact.source,
        commands=[f"ablate {fact.command} {fact.file}"] if fact.file else [],
    )


def heads(columns: Sequence[Column]) -> list[_Head]:
    """The upper row of a table's head, one entry per run of columns in one group; empty without groups."""
    if not any(column.group for column in columns):
        return []
    return [_Head(group, len(list(run))) for group, run in groupby(columns, key=lambda column: column.group)]


def spaced(table: Table) -> list[list[str]]:
    """The texts of a table's cells, with unseen digits and points so that numbers stand under each other."""
    free = str.maketrans("0123456789.±†", "\u2007" * 10 + "\u2008\u2007\u2009")

    def text(place: Aligned) -> str:
        blank = (part.translate(free) for part in (place.between, place.behind))
        return "{0}{2}{1}{3}".format(place.value, place.error, *blank)

    return [[text(place) for place in row] for row in aligned(table.columns, table.rows)]


def measured(results: Results) -> list[str]:
    """What the study measured, a line per kind of cell."""
    lines = []
    for kind in results.kinds:
        conditions: dict[str, list[str]] = {}
        distinct = {id(record.condition): record.condition for record in results.planned(kind)}
        for condition in distinct.values():
            for key, value in plain(condition).items():
                known = conditions.setdefault(key, [])
                parts = value if isinstance(value, list) else [value]
                known += [text for text in map(str, parts) if text not in known]
        shown = [
            f"{key.replace('_', ' ')} {', '.join(values)}" for key, values in conditions.items() if values
        ]
        lines.append(f"{measurement(kind).title}: {'; '.join(shown)}")
    return lines


def page_warnings(results: Results) -> list[str]:
    """What is wrong with the numbers, worst first."""
    notes = [missing_note(results), *uncounted_notes(results), busy_note(results)]
    devices = {
        record.provenance.device
        for record in results.records
        if record.provenance is not None and measurement(record.kind).where != "counted"
    }
    named = sorted(device for device in devices if device)
    if len(named) > 1:
        notes.append(f"Measured on different devices: {', '.join(named)}.")
    if any(provenance.git_dirty for provenance in results.provenances()):
        notes.append("Some cells were measured with uncommitted changes in the working directory.")
    remarks = dict.fromkeys(note for provenance in results.provenances() for note in provenance.notes)
    return [note for note in (*notes, *remarks) if note]


def facts(results: Results) -> list[tuple[str, str]]:
    """Where the numbers come from: each fact of the rows' provenance with its distinct values."""
    lines = []
    provenances = list(results.provenances())
    for key, label in _FACTS.items():
        known = (getattr(provenance, key) for provenance in provenances)
        values = list(dict.fromkeys(value for value in known if value is not None))
        if values:
            lines.append((label, _fact(key, values)))
    created = sorted(record.created for record in results.records if record.created)
    if created:
        text = created[0] if created[0] == created[-1] else f"{created[0]} to {created[-1]}"
        lines.append(("Measured", text))
    return lines


def _fact(key: str, values: Sequence[Any]) -> str:
    if key == "git_dirty":
        return "yes" if any(values) else "no"
    if key == "load_average":
        ends = sorted({significant(float(value), 2) for value in (min(values), max(values))}, key=float)
        return " to ".join(ends)
    return "; ".join(str(value) for value in values)


def definitions(results: Results) -> list[Quantity]:
    """The quantities of the measurements that the study makes."""
    return [wanted for kind in results.kinds for wanted in measurement(kind).quantities]
