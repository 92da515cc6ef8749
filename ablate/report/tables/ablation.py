"""Every effect of every ablation on every quantity, with its interval and its word."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ablate.report.effects import Effects, all_effects
from ablate.report.numbers import fixed, signed, significant, with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, Tone
from ablate.run.facts import LooksFact
from ablate.study.ablation_effects import EffectRow

COLUMNS = ("base", "change", "quantity", "effect", "low", "high", "p", "verdict")
"""The columns of the CSV file that stay; others follow them."""
_MEANING = {
    "alone": "the base with the change, less the base",
    "last": "all changes, less all but this one",
    "step": "with the change, less the rung before it",
    "main": "the change, on average over the others",
    "interaction": "how much more the first does where the second is made",
    "disagreement": "what the change does alone, less what it does last",
}


@table("ablation", order=5)
def ablation_table(results: Results) -> Table | None:
    """One row an effect; None without an ablation."""
    return effect_table(results, "ablation", "Ablation", all_effects(results))


def effect_table(results: Results, name: str, title: str, studied: list[Effects]) -> Table | None:
    """A table of effects, and its raw numbers in stored units."""
    pairs = [(effects, row) for effects in studied for row in effects.rows if not math.isnan(row.effect)]
    if not pairs:
        return None
    kinds = dict.fromkeys(row.kind for _, row in pairs)
    looked = results.knows(LooksFact)
    notes = [f"{kind}: {_MEANING[kind]}." for kind in kinds]
    notes += [
        f"{own.base}, cumulative: in the order {', '.join(own.changes)}; another order may give other steps."
        for own in dict.fromkeys(effects.ablation for effects, _ in pairs)
        if own.design == "cumulative"
    ]
    notes += [
        f"The half design of {own.base} cannot tell apart: {'; '.join(own.aliases)}."
        for own in dict.fromkeys(effects.ablation for effects, _ in pairs)
        if own.aliases
    ]
    if looked is not None and looked.seeds:
        notes.append(
            "Seeds were added until the comparisons to the baseline were decided; the p values here do not "
            "pay for that, those of the main table do."
        )
    return Table(
        name,
        f"{title} of {results.study}",
        "Effects of making a change: differences, for latency factors. ± is half of the 95 % interval; the "
        "word is that of p after Holm's correction over the effects of one design on one quantity. Counted "
        "quantities are exact.",
        (
            Column("Base", left=True),
            Column("Change", left=True),
            Column("Quantity", left=True),
            Column("Effect"),
            Column("p, Holm"),
            Column("Verdict", left=True),
            Column("What it is", left=True),
        ),
        tuple(_cells(effects, row) for effects, row in pairs),
        pd.DataFrame([_raw(effects, row) for effects, row in pairs]),
        tuple(notes),
    )


def _cells(effects: Effects, row: EffectRow) -> tuple[Cell, ...]:
    wanted = effects.quantity
    unit = "×" if effects.ratio else wanted.unit
    title = f"{wanted.label} ({unit})" if unit else wanted.label
    tone: Tone = "" if row.verdict in ("better", "worse") else "tie"
    kind = f"{row.kind}, {row.note}" if row.note else row.kind
    return (
        Cell(row.base, sort=row.base),
        Cell(row.change, sort=row.change),
        Cell(title, sort=title),
        Cell(effect_text(effects, row), sort=row.effect),
        Cell("exact" if effects.exact else _p_text(row.p_corrected), sort=row.p_corrected),
        Cell(row.verdict, sort=row.verdict, tone=tone),
        Cell(kind, sort=kind),
    )


def effect_text(effects: Effects, row: EffectRow) -> str:
    """The effect with its error, in the displayed unit; a factor as it is."""
    if effects.ratio:
        return with_error(row.effect, max(row.high - row.effect, row.effect - row.low))
    scale = effects.quantity.scale
    if effects.exact:
        text = significant(row.effect / scale, 3)
        return f"+{text}" if row.effect > 0 else text
    return signed(row.effect / scale, (row.high - row.low) / 2 / scale)


def _p_text(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else fixed(p, 3)


def _raw(effects: Effects, row: EffectRow) -> dict[str, Any]:
    numbers = {
        "base": row.base,
        "change": row.change,
        "quantity": effects.quantity.name,
        "effect": row.effect,
        "low": row.low,
        "high": row.high,
        "p": row.p,
        "verdict": row.verdict,
    }
    unit = "ratio" if effects.ratio else effects.quantity.stored or effects.quantity.unit
    if not effects.ratio and effects.quantity.scale != 1 and not effects.quantity.stored:
        unit = ""  # a plain count: the displayed unit is a multiple of it
    return numbers | {
        "p_holm": row.p_corrected,
        "pairs": row.n,
        "unit": unit,
        "kind": row.kind,
        "design": effects.ablation.design,
        "ablation": effects.ablation.name,
        "note": row.note,
    }
