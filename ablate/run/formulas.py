"""Formulas of the blocks that a study is made of, kept in its ledger: a report cannot work them out."""

from __future__ import annotations

import time
from importlib import metadata
from typing import TYPE_CHECKING

from ablate.layout.call import BlockCall
from ablate.run.cell import Json, digest
from ablate.run.ledger import Ledger
from ablate.run.plan import block_sources, code_hash
from ablate.study.study import Study

if TYPE_CHECKING:
    from ablate.cost.formula.find import Formula, Quantity

FACT = "formulas"
_FIRST: tuple[Quantity, ...] = ("params", "macs")
_MORE: tuple[Quantity, ...] = ("saved_fused", "saved_math")
_SECONDS = 5.0


def keep_formulas(study: Study, ledger: Ledger) -> None:
    """Put the formulas of all distinct blocks of a study into its ledger, unless they are there already."""
    sources = [block_sources(layout) for layout in study.layouts.values()]
    calls = block_calls(study)
    ingredients = [[str(call) for call in calls], sources, code_hash("complexity"), metadata.version("torch")]
    key = digest(ingredients)
    if ledger.fact(FACT).get("key") != key:
        ledger.set_fact(FACT, {"key": key, "rows": formula_rows(calls)})


def block_calls(study: Study) -> list[BlockCall]:
    """The distinct blocks of a study's layouts, in the order in which they first occur."""
    used = (part for layout in study.layouts.values() for part in layout.parts_used())
    return list(dict.fromkeys(call for kinds, call in used if "block" in kinds))


def formula_rows(calls: list[BlockCall], seconds: float = _SECONDS) -> list[Json]:
    """One record a block: `block`, `order` of its MACs in N, and text, LaTeX and condition by quantity.

    Parameters and MACs always; bytes saved for the backward pass, which take longer, while the `seconds` of
    computing for all blocks last. A block that cannot be analysed has no formulas.
    """
    end = time.process_time() + seconds
    rows = [_row(call, _FIRST) for call in calls]
    for row, call in zip(rows, calls, strict=True):
        if time.process_time() < end:
            row["formulas"] |= _row(call, _MORE)["formulas"]
    return rows


def _row(call: BlockCall, quantities: tuple[Quantity, ...]) -> Json:
    from ablate.cost.formula.find import formulas

    try:
        found = formulas(call, quantities)
    except Exception as error:  # a foreign block may do anything; its study goes on
        return {"block": str(call), "order": "unknown", "formulas": {}, "note": str(error)}
    order = found["macs"].order if "macs" in found else ""
    records = {quantity: _record(formula) for quantity, formula in found.items()}
    return {"block": str(call), "order": order, "formulas": records, "note": ""}


def _record(formula: Formula) -> Json:
    import sympy

    latex = "" if formula.expression is None else sympy.latex(formula.expression)
    return {"text": str(formula), "latex": latex, "condition": formula.condition}
