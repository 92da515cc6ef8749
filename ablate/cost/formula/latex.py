"""The complexity table of a paper, in LaTeX, from the exact formulas."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

import blocks
from ablate.cost.formula.find import Formula, Quantity, formulas, size_arguments
from ablate.layout.call import BlockCall

HEADINGS: dict[Quantity, str] = {
    "params": "Parameters",
    "macs": "MACs",
    "elementwise": "Element-wise operations",
    "bytes": "Bytes moved",
    "activations": "Activations",
    "saved_fused": "Saved bytes (fused)",
    "saved_math": "Saved bytes (unfused)",
    "peak_fused": "Peak bytes (fused)",
    "peak_math": "Peak bytes (unfused)",
}


def complexity_table_latex(
    calls: Sequence[BlockCall | str] | None = None,
    quantities: Sequence[Quantity] = ("params", "macs"),
    *,
    symbols: bool = False,
) -> str:
    """A `tabular` (with booktabs' rules): one row a block, its formulas and the order of the MACs in N.

    `calls` defaults to every registered mixer and block with its default arguments; with `symbols` their size
    arguments are symbols too (w window, k kernel, r reduction, e expansion, h heads). Conditions of formulas
    that do not hold everywhere are notes below the table. Raises `AblateError` as `formulas` does.
    """
    chosen = calls if calls is not None else blocks.names("mixer", "block")
    notes: list[str] = []
    lines = [
        rf"\begin{{tabular}}{{l{'l' * len(quantities)}l}}",
        r"\toprule",
        " & ".join(["Block", *(HEADINGS[quantity] for quantity in quantities), "Order"]) + r" \\",
        r"\midrule",
    ]
    for call in chosen:
        name = call if isinstance(call, str) else call.name
        by_quantity = formulas(call, quantities, size_arguments(name) if symbols else ())
        order = formulas(call, ("macs",))["macs"].order
        order_text = f"${order}$" if order.startswith("O(") else order
        cells = [_cell(formula, notes) for formula in by_quantity.values()]
        lines.append(" & ".join([rf"\texttt{{{_text(str(call))}}}", *cells, order_text]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par $^{{{number}}}$ {note}." for number, note in enumerate(notes, start=1)]
    return "\n".join(lines)


def _cell(formula: Formula, notes: list[str]) -> str:
    text = str(formula) if formula.expression is None else f"${sympy.latex(formula.expression)}$"
    note = _text(formula.reason) or formula.condition
    if not note:
        return text
    if note not in notes:
        notes.append(note)
    return f"{text}$^{{{notes.index(note) + 1}}}$"


def _text(text: str) -> str:
    return text.replace("_", r"\_")
