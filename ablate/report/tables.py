"""All tables of a report, with the two that say what was planned: missing cells and the layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.report.audit_table import audit_table
from ablate.report.budget_table import budget_table
from ablate.report.cost_tables import scaling_table, stage_table
from ablate.report.crossing_tables import crossover_table, exponent_table
from ablate.report.formula_table import formula_table
from ablate.report.main_table import main_table
from ablate.report.measured_tables import memory_table, seed_table, throughput_table
from ablate.report.notes import missing_note
from ablate.report.published_table import published_table
from ablate.report.results import Results, describe
from ablate.report.table import Cell, Column, Table, failed


def all_tables(
    results: Results,
    matches: Sequence[Mapping[str, Any]] = (),
    formulas: Sequence[Mapping[str, Any]] = (),
) -> list[Table]:
    """Every table the study has data for, the main one first; `matches` and `formulas` are records of the
    ledger's facts of these names."""
    builders: Sequence[Callable[[Results], Table | None]] = (
        lambda results: budget_table(matches),
        scaling_table,
        exponent_table,
        crossover_table,
        lambda results: formula_table(formulas),
        stage_table,
        memory_table,
        throughput_table,
        seed_table,
        audit_table,
        published_table,
        missing_table,
        layout_table,
    )
    found = [table for builder in builders if (table := builder(results)) is not None]
    return [main_table(results), *found]


def missing_table(results: Results) -> Table | None:
    """Every planned cell without a number, with the reason."""
    missing = results.not_done
    note = missing_note(results)
    if note is None:
        return None
    rows, raw = [], []
    for record in missing.to_dict("records"):
        telling = results.varying(str(record["kind"]))
        condition = describe({key: value for key, value in record["condition"].items() if key in telling})
        texts = [str(record["layout"]), str(record["kind"]), condition]
        reason = str(record["reason"]) or ("never run" if record["status"] == "missing" else "")
        if record["status"] == "stale":
            reason = "the layout, the code or the protocol has changed since it was measured"
        status = failed([str(record["status"])])
        rows.append((*(Cell(text, sort=text) for text in texts), status, Cell(reason, sort=reason)))
        raw.append(
            dict(
                zip(
                    ("layout", "kind", "condition", "status", "reason"),
                    [*texts, status.text, reason],
                    strict=True,
                )
            )
        )
    heads = ("Layout", "kind", "condition", "status", "reason")
    columns = tuple(Column(head, left=True) for head in heads)
    return Table("missing", "Cells without a number", note, columns, tuple(rows), pd.DataFrame(raw))


def layout_table(results: Results) -> Table | None:
    """What each layout's name stands for; left out when only names are known."""
    if all(name == text for name, text in results.texts.items()):
        return None
    rows = tuple((Cell(name, sort=name), Cell(text, sort=text)) for name, text in results.texts.items())
    raw = pd.DataFrame(list(results.texts.items()), columns=["layout", "definition"])
    columns = (Column("Layout", left=True), Column("definition", left=True))
    return Table("layouts", "Layouts", "Each layout in the layout language.", columns, rows, raw)
