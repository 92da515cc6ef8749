"""The report as one self-contained HTML page: no script, font, image or style comes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ablate.report.drawing import Drawn
from ablate.report.metrics import METRICS, Metric
from ablate.report.notes import busy_note, missing_note, uncounted_notes
from ablate.report.numbers import plural, significant
from ablate.report.results import Results
from ablate.report.table import Column, Table

_MEASUREMENTS = {
    "complexity": "counted costs",
    "memory": "memory",
    "throughput": "latency and throughput",
    "accuracy": "short-schedule accuracy",
    "audit": "audit of the count",
    "scaling": "growth with the resolution",
}
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
    *,
    source: str | None = None,
    commands: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> str:
    """The page's HTML. `drawings` are figures with their `<svg>` elements; everything else is escaped."""
    environment = Environment(
        loader=PackageLoader("ablate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(heads=heads)
    finished = int((results.frame["status"] == "done").sum())
    cells = plural(len(results.frame), "cell")
    return environment.get_template("report.html.j2").render(
        study=results.study,
        summary=f"{plural(len(results.layouts), 'layout')}, {finished} of {cells} done",
        measured=measured(results),
        warnings=[*warnings, *page_warnings(results)],
        facts=facts(results),
        main=tables[0],
        tables=tables[1:],
        drawings=[(drawn, Markup(svg)) for drawn, svg in drawings],
        definitions=definitions(results),
        source=source,
        commands=commands,
    )


def heads(columns: Sequence[Column]) -> list[_Head]:
    """The upper row of a table's head, one entry per run of columns in one group; empty without groups."""
    if not any(column.group for column in columns):
        return []
    return [_Head(group, len(list(run))) for group, run in groupby(columns, key=lambda column: column.group)]


def measured(results: Results) -> list[str]:
    """What the study measured, a line per kind of cell."""
    lines = []
    for kind, cells in results.frame.groupby("kind", sort=False):
        conditions: dict[str, list[Any]] = {}
        for condition in cells["condition"]:
            for key, value in condition.items():
                known = conditions.setdefault(key, [])
                each = value if isinstance(value, list) else [value]
                known += [one for one in each if one is not None and one not in known]
        parts = [
            f"{key.replace('_', ' ')} {', '.join(map(str, values))}"
            for key, values in conditions.items()
            if values
        ]
        lines.append(f"{_MEASUREMENTS.get(str(kind), str(kind))}: {'; '.join(parts)}")
    return lines


def page_warnings(results: Results) -> list[str]:
    """What is wrong with the numbers, worst first."""
    found = [missing_note(results), *uncounted_notes(results), busy_note(results)]
    measured_rows = results.frame[results.frame["kind"].isin(["memory", "throughput", "accuracy"])]
    devices = {p.get("device") for p in measured_rows["provenance"] if p.get("device")}
    if len(devices) > 1:
        found.append(f"Measured on different devices: {', '.join(sorted(map(str, devices)))}.")
    if any(p.get("git_dirty") for p in results.frame["provenance"]):
        found.append("Some cells were measured with uncommitted changes in the working directory.")
    return [note for note in found if note]


def facts(results: Results) -> list[tuple[str, str]]:
    """Where the numbers come from: each fact of the rows' provenance with its distinct values."""
    found = []
    for key, label in _FACTS.items():
        values = list(dict.fromkeys(p[key] for p in results.frame["provenance"] if p.get(key) is not None))
        if values:
            found.append((label, _fact(key, values)))
    created = sorted(str(value) for value in results.frame.get("created", []) if isinstance(value, str))
    if created:
        text = created[0] if created[0] == created[-1] else f"{created[0]} to {created[-1]}"
        found.append(("Measured", text))
    return found


def _fact(key: str, values: Sequence[Any]) -> str:
    if key == "git_dirty":
        return "yes" if any(values) else "no"
    if key == "load_average":
        ends = sorted({significant(float(value), 2) for value in (min(values), max(values))}, key=float)
        return " to ".join(ends)
    return "; ".join(str(value) for value in values)


def definitions(results: Results) -> list[Metric]:
    """The metrics of the kinds that the study measures."""
    kinds = set(results.frame["kind"])
    return [metric for metric in METRICS if metric.kind in kinds]
