"""Formulas of the study's blocks, as text, and in LaTeX as a paper sets them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from ablate.report.register import table
from ablate.report.render import escape_latex
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table
from ablate.run.keyed_facts import FormulaFact, FormulaText

_HEADS: Mapping[str, tuple[str, str]] = {
    "params": ("Parameters", ""),
    "macs": ("MACs", ""),
    "saved_fused": ("fused", "Saved for the backward pass (bytes)"),
    "saved_math": ("math", "Saved for the backward pass (bytes)"),
}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


_NOTE = (
    "Interpolated exactly from counts and confirmed at further sizes. Each head is 32 channels wide. Saved "
    "bytes are those of float32, with the block's input where it is kept."
)
_MARKS = "abcdefgh"


@table("formulas", order=50)
def formula_table(results: Results) -> Table | None:
    """One row per block; None without any."""
    fact = results.knows(FormulaFact)
    if fact is None or not fact.rows:
        return None
    names = [name for name in _HEADS if any(name in row.formulas for row in fact.rows)]
    notes: list[str] = []
    rows, raw = [], []
    for row in fact.rows:
        block, order = row.block, row.order
        cells = [_cell(row.formulas.get(name), row.note, notes) for name in names]
        latex = rf"\texttt{{{escape_latex(block)}}}"
        math_order = f"${order}$" if order.startswith("O(") else None
        rows.append(
            (
                Cell(block, sort=block, latex=latex, hint=row.note),
                *cells,
                Cell(raised(order), sort=order, latex=math_order),
            )
        )
        for name, formula in row.formulas.items():
            raw.append({"block": block, "quantity": name, "order_of_macs": order, **asdict(formula)})
    return Table(
        "formulas",
        "Formulas",
        "Exact costs of each token mixer (of the whole block where it is one) for one image: N tokens, C "
        "channels. The order is that of the MACs in N.",
        (
            Column("Block", left=True),
            *(Column(*_HEADS[name], left=True) for name in names),
            Column("order", left=True),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        (*notes, _NOTE),
    )


def _cell(formula: FormulaText | None, reason: str, notes: list[str]) -> Cell:
    if formula is None:
        return Cell("–", hint=reason)
    text, condition = raised(formula.text), formula.condition
    latex = f"${formula.latex}$" if formula.latex else None
    if not condition:
        return Cell(text, sort=text, latex=latex)
    place = next((n for n, note in enumerate(notes) if note.endswith(f": {condition}.")), len(notes))
    if place == len(notes):
        notes.append(f"{_MARKS[place % len(_MARKS)]}: {condition}.")
    mark = _MARKS[place % len(_MARKS)]
    marked = None if latex is None else rf"{latex}\textsuperscript{{{mark}}}"
    return Cell(f"{text} ({mark})", sort=text, hint=condition, latex=marked)


def raised(text: str) -> str:
    """An expression as people write it: `4*C**2*N` becomes `4C²N`."""
    powers = re.sub(r"(?:\*\*|\^)(\d+)", lambda power: power[1].translate(_RAISED), text)
    return powers.replace("*", "").replace(" - ", " − ")
