"""The laws of a study's ladders, and the compute multiplier of every pair of layouts."""

from __future__ import annotations

import math

import pandas as pd

from ablate.report.ladders import Compared, Fitted, fitted, multiplier_text
from ablate.report.numbers import scaled, significant
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, Tone


@table("laws", order=7)
def law_table(results: Results) -> Table | None:
    """One row a ladder: its law, or why there is none."""
    laws = fitted(results)
    if laws is None:
        return None
    rows, raw = [], []
    for name, ladder in laws.ladders.items():
        fit, law = ladder.fit, ladder.fit.law
        text = (
            "–"
            if law is None
            else f"{law.floor:.3g} + {math.exp(law.log_scale):.3g} / MACs^{law.exponent:.3g}"
        )
        span = f"{scaled(fit.sizes[0])} to {scaled(fit.sizes[-1])}" if fit.sizes else "–"
        rows.append(
            (
                Cell(name, sort=name),
                Cell(str(len(fit.sizes)), sort=float(len(fit.sizes))),
                Cell(span),
                Cell(text, tone="" if law else "tie", hint=fit.note),
                Cell(fit.note or "–"),
            )
        )
        raw.append(
            {"layout": name, "sizes": len(fit.sizes), "macs": " ".join(f"{size:.0f}" for size in fit.sizes)}
            | {"floor_percent": law.floor if law else math.nan}
            | {"scale": math.exp(law.log_scale) if law else math.nan}
            | {"exponent": law.exponent if law else math.nan, "p_against_constant": fit.p, "note": fit.note}
        )
    return Table(
        "laws",
        f"Ladders of {results.study}",
        "Error (100 less top-1, in percent) against MACs, E + A / MACs^a, by Huber's loss on the logarithms. "
        "A law needs four sizes, and must fit better than the same values in shuffled order.",
        (
            Column("Layout", left=True),
            Column("sizes"),
            Column("MACs"),
            Column("error (%)", left=True),
            Column("why none", left=True),
        ),
        tuple(rows),
        pd.DataFrame(raw),
    )


@table("ladder", order=8)
def ladder_table(results: Results) -> Table | None:
    """One row a pair of layouts; None where no two have a ladder."""
    laws = fitted(results)
    if laws is None or not laws.pairs:
        return None
    return Table(
        "ladder",
        f"Compute multipliers of {results.study}",
        "How many times the compute of the first layout the second needs for the same accuracy, in the "
        "middle of the compute that both were measured at. The interval is the wider one of the bootstrap "
        "over seeds and sizes and the t test over seeds.",
        (
            Column("First", left=True),
            Column("Second", left=True),
            Column("Multiplier"),
            Column("Verdict", left=True),
            Column("at MACs"),
            Column("Laws cross", left=True),
        ),
        tuple(_cells(pair) for pair in laws.pairs),
        pd.DataFrame([_raw(pair) for pair in laws.pairs]),
        tuple(_notes(laws)),
    )


def _cells(pair: Compared) -> tuple[Cell, ...]:
    names = Cell(pair.first, sort=pair.first), Cell(pair.second, sort=pair.second)
    if pair.multiplier is None:
        return (*names, Cell("–"), Cell("–", hint=pair.note), Cell("–"), Cell(pair.note))
    verdict = pair.multiplier.verdict
    tone: Tone = "" if verdict in ("better", "worse") else "tie"
    return (
        *names,
        Cell(multiplier_text(pair.multiplier), sort=pair.multiplier.value, hint=pair.multiplier.note),
        Cell(verdict, sort=verdict, tone=tone),
        Cell(scaled(pair.multiplier.at), sort=pair.multiplier.at),
        Cell(_crossing(pair)),
    )


def _crossing(pair: Compared) -> str:
    crossing = pair.crossing
    if crossing is None:
        return "–"
    if crossing.estimate is None:
        return f"no: {crossing.note}".replace("A ", f"{pair.first} ").replace("B", pair.second)
    at = significant(crossing.estimate / 1e6, 3)
    if crossing.low is None or crossing.high is None:
        return f"{at} M: {crossing.note}"
    ends = f"[{significant(crossing.low / 1e6, 3)}, {significant(crossing.high / 1e6, 3)}]"
    return f"{pair.first} is better from {at} M {ends}"


def _raw(pair: Compared) -> dict[str, object]:
    times, crossing = pair.multiplier, pair.crossing
    nothing = math.nan
    return {
        "first": pair.first,
        "second": pair.second,
        "multiplier": times.value if times else nothing,
        "low": times.low if times else nothing,
        "high": times.high if times else nothing,
        "verdict": times.verdict if times else "",
        "at_macs": times.at if times else nothing,
        "crossing_macs": crossing.estimate if crossing and crossing.estimate else nothing,
        "crossing_low": crossing.low if crossing and crossing.low else nothing,
        "crossing_high": crossing.high if crossing and crossing.high else nothing,
        "note": pair.note or (times.note if times else "") or (crossing.note if crossing else ""),
    }


def _notes(laws: Fitted) -> list[str]:
    return [f"{name}: {ladder.fit.note}." for name, ladder in laws.ladders.items() if ladder.fit.law is None]
