"""The exact formulas of one block, as a job: a report cannot work them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablate.cost.formula.find import Formula, formulas
from ablate.layout.call import BlockCall
from ablate.layout.pattern import parse_call
from ablate.measurements.base import Progress, Task

if TYPE_CHECKING:
    from ablate.cost.formula.find import Quantity

_QUANTITIES: tuple[Quantity, ...] = ("params", "macs", "saved_fused", "saved_math")


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The record of one block: text, LaTeX and condition by quantity, and the order of its MACs in N."""
    return formula_record(parse_call(task.condition["block"]).call)


def formula_record(call: BlockCall) -> dict[str, Any]:
    """`block`, `order`, `formulas` by quantity, and in `note` why a block cannot be analysed at all.

    A quantity that has no formula says why in its `condition`.
    """
    note = ""
    try:
        known = formulas(call, _QUANTITIES)
    except Exception as error:  # a foreign block may do anything; its study goes on
        note = str(error).strip() or type(error).__name__
        reason = note.splitlines()[0]
        known = {quantity: Formula(quantity, None, reason=reason) for quantity in _QUANTITIES}
    records = {quantity: _record(formula) for quantity, formula in known.items()}
    return {"block": str(call), "order": known["macs"].order, "formulas": records, "note": note}


def _record(formula: Formula) -> dict[str, str]:
    import sympy

    latex = "" if formula.expression is None else sympy.latex(formula.expression)
    return {"text": str(formula), "latex": latex, "condition": formula.condition or formula.reason}
