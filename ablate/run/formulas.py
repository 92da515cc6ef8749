"""Formulas of the blocks that a study is made of, kept in its ledger: a report cannot work them out."""

from __future__ import annotations

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
_QUANTITIES: tuple[Quantity, ...] = ("params", "macs", "saved_fused", "saved_math")


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
    stages = (stage for layout in study.layouts.values() for stage in layout.stages)
    return list(dict.fromkeys(call for stage in stages for call in stage.blocks))


def formula_rows(calls: list[BlockCall]) -> list[Json]:
    """One record a block: `block`, `order` of its MACs in N, and text, LaTeX and condition by quantity.

    All quantities, always. One that has no formula says why in its `condition`; a block that cannot be
    analysed at all has the same reason for each, and says it in its `note`.
    """
    return [_row(call) for call in calls]


def _row(call: BlockCall) -> Json:
    from ablate.cost.formula.find import Formula, formulas

    try:
        found = formulas(call, _QUANTITIES)
        note = ""
    except Exception as error:  # a foreign block may do anything; its study goes on
        note = str(error).strip() or type(error).__name__
        found = {quantity: Formula(quantity, None, reason=note.splitlines()[0]) for quantity in _QUANTITIES}
    records = {quantity: _record(formula) for quantity, formula in found.items()}
    return {"block": str(call), "order": found["macs"].order, "formulas": records, "note": note}


def _record(formula: Formula) -> Json:
    import sympy

    latex = "" if formula.expression is None else sympy.latex(formula.expression)
    return {"text": str(formula), "latex": latex, "condition": formula.condition or formula.reason}
