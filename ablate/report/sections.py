"""One section of the page a layout: what it is, setting by setting, and what it costs, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ablate.layout.diagram import svg_diagram
from ablate.measurements.register import quantity
from ablate.report.cells import first, measured
from ablate.report.numbers import significant
from ablate.report.results import Results
from ablate.report.table import Cell
from ablate.report.tables.layouts import written
from ablate.report.tables.stages import COLUMNS, stage_costs
from ablate.run.keyed_facts import DiagramFact

_COSTS = ("params", "macs", "training_macs", "elementwise")


@dataclass(frozen=True)
class Section:
    """A layout: its pattern, its settings and counts as pairs of label and text, and its stages.

    `missing` are its cells without a number, as kind, status and reason; `diagram` is an `<svg>` element, or
    empty.
    """

    name: str
    text: str
    settings: tuple[tuple[str, str], ...]
    costs: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    missing: tuple[tuple[str, str, str], ...]
    diagram: Markup


def sections(results: Results) -> list[Section]:
    """Every layout in the order of the study."""
    stages = stage_costs(results)
    shown = [quantity(name, "complexity") for name in COLUMNS]
    diagrams = results.knows(DiagramFact)
    drawn = {row.layout: row.columns for row in diagrams.rows} if diagrams is not None else {}
    made = []
    for name, text in results.texts.items():
        settings = results.fact.settings.get(name, {})
        record = first(results.planned("complexity", layout=name, resolution=results.reference))
        cells: list[tuple[str, Cell]] = [
            (wanted.title, measured(record, wanted))
            for wanted in (quantity(cost, "complexity") for cost in _COSTS)
            if record is not None
        ]
        lines = [
            (
                stage.name,
                *(significant(getattr(stage, wanted.name) / wanted.scale, 3) for wanted in shown),
            )
            for stage in stages.get(name, ())
        ]
        lost = [record for record in results.not_done if record.layout == name]
        made.append(
            Section(
                name,
                text,
                tuple(
                    (key.replace("_", " "), written(value))
                    for key, value in settings.items()
                    if key not in ("layout", "stages", "timm")
                ),
                tuple((title, cell.text) for title, cell in cells),
                ("Stage", *(wanted.title for wanted in shown)),
                tuple(lines),
                tuple(dict.fromkeys((record.kind, record.status, record.reason) for record in lost)),
                Markup(svg_diagram(name, drawn[name]) if name in drawn else ""),
            )
        )
    return made
