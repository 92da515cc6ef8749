"""What the author predicted, and what became of it."""

from __future__ import annotations

import math

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.evidence import judged
from ablate.report.numbers import significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, Tone
from ablate.run.facts import ExpectationFact, Predicted
from ablate.study.expect import ExpectationError, parse_expectation
from ablate.study.expect_judge import Judgement
from ablate.study.expect_quantities import known_quantities
from ablate.study.expectation import Expectation, Term

_DISPLAY = {"bytes": (2.0**20, "MiB"), "count": (1e6, "M"), "percent": (1.0, "points"), "ms": (1.0, "ms")}


@table("expectations", order=4)
def expectation_table(results: Results) -> Table | None:
    """One row a line, those withdrawn at the end; None where nothing was predicted."""
    fact = results.knows(ExpectationFact)
    if fact is None or not fact.lines:
        return None
    rows, raw = [], []
    for line in fact.lines:
        try:
            expectation = parse_expectation(line.line, known_quantities())
        except ExpectationError as error:  # a measurement that is not there any more
            judgement = Judgement("not resolved", math.nan, math.nan, math.nan, False, 0, str(error))
            text = "–"
        else:
            judgement = judged(results, expectation)
            text = gap_text(expectation, judgement)
        remark = _remark(line)
        tone: Tone = {"held": "", "failed": "failed"}.get(judgement.status, "tie")  # type: ignore[assignment]
        rows.append(
            (
                Cell(line.line, sort=line.line),
                Cell(judgement.status, sort=judgement.status, tone=tone, hint=judgement.note),
                Cell(text, sort=judgement.gap, hint=judgement.note),
                Cell(line.written, sort=line.written),
                Cell(remark, sort=remark, tone="flag" if remark else ""),
            )
        )
        raw.append(
            {"expectation": line.line, "status": judgement.status, "written": line.written}
            | {"after_measurement": line.after, "withdrawn": line.withdrawn}
            | {
                "gap": judgement.gap,
                "low": judgement.low,
                "high": judgement.high,
                "is_ratio": judgement.ratio,
            }
            | {"pairs": judgement.pairs, "note": judgement.note}
        )
    late = sum(line.after for line in fact.lines)
    notes = [
        "Held and failed: the 95 % interval of the left side less the right one (for times, of their ratio) "
        "lies on one side of the margin; not resolved: it holds the margin. Counted values are exact. Each "
        "line is judged by itself, at 5 %; tables that compare many layouts correct for their number."
    ]
    if late:
        notes.append(f"{late} of {len(fact.lines)} were written when values that they speak of were known.")
    return Table(
        "expectations",
        f"Expectations of {results.study}",
        "What was predicted, when it was written, and what became of it.",
        (
            Column("Expectation", left=True),
            Column("Outcome", left=True),
            Column("Left − right"),
            Column("Written", left=True),
            Column("Remark", left=True),
        ),
        tuple(rows),
        pd.DataFrame(raw),
        tuple(notes),
    )


def gap_text(expectation: Expectation, judgement: Judgement) -> str:
    """The figure behind the outcome: the gap with its interval, or the ratio of two times."""
    if math.isnan(judgement.gap):
        return judgement.note or "–"
    scale, unit = (1.0, "") if judgement.ratio else _display(expectation)
    if unit == "M" and abs(judgement.gap) >= 1e10:
        scale, unit = 1e9, "G"
    numbers = [significant(value / scale, 3) for value in (judgement.gap, judgement.low, judgement.high)]
    prefix = "ratio " if judgement.ratio else "+" if judgement.gap > 0 else ""
    if math.isnan(judgement.low):  # no error is known: said why
        return f"{prefix}{numbers[0]} {unit}".strip() + (f", {judgement.note}" if judgement.note else "")
    text = numbers[0] if judgement.low == judgement.high else f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"
    return f"{prefix}{text} {unit}".strip()


def _display(expectation: Expectation) -> tuple[float, str]:
    """What a stored number is divided by, and the unit that it then has."""
    if expectation.unit in _DISPLAY:
        return _DISPLAY[expectation.unit]
    names = [side.quantity for side in (expectation.left, expectation.right) if isinstance(side, Term)]
    return quantity(names[0]).scale, quantity(names[0]).unit


def _remark(line: Predicted) -> str:
    parts = ["written after the measurement"] if line.after else []
    parts += [f"withdrawn {line.withdrawn}"] if line.withdrawn else []
    return ", ".join(parts)
