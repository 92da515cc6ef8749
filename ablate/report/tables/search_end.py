"""The honest end of a search: its best layouts trained again with new seeds, beside random ones."""

from __future__ import annotations

from statistics import fmean, stdev

import pandas as pd

from ablate.measurements.register import quantity
from ablate.quantities import Quantity
from ablate.report.numbers import signed, with_error
from ablate.report.register import table
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, number
from ablate.run.search_facts import Again, EndFact


@table("search_end", order=141)
def search_end_table(results: Results) -> Table | None:
    """One row a pair; None where the search did not end so."""
    end = results.knows(EndFact)
    if end is None or not end.pairs:
        return None
    wanted = quantity(end.goal)
    columns = (
        Column("Layout", left=True),
        Column("definition", left=True),
        Column("in the search", wanted.title),
        Column("again", wanted.title),
        Column("fell back", wanted.title),
        Column("on test", wanted.title),
        Column("random partner on test", wanted.title),
        Column("difference", wanted.title),
    )
    rows = tuple(_row(pair, wanted, end.maximize) for pair in end.pairs)
    raw = pd.DataFrame([_raw(pair, end.maximize) for pair in end.pairs])
    notes = [sentence for sentence in (beats_random(end), winners_curse(end)) if sentence]
    if end.lost:
        notes.append(f"Left out, because a training failed: {'; '.join(end.lost)}.")
    caption = (
        f"The best layouts of the search, trained again by the full protocol with {len(end.seeds)} seeds "
        "that it had not used: on the images that the search chose by, and on the test split, by which it "
        "chose nothing, each beside a random layout within the same bounds whose exact objectives are within "
        "a tenth of its own (the nearest where there is none). ± is the standard deviation over seeds."
    )
    return Table("search_end", "Search: the best layouts again", caption, columns, rows, raw, tuple(notes))


def beats_random(end: EndFact) -> str:
    """By how much the search beats random layouts, with its interval over pairs."""
    wanted, beats = quantity(end.goal), end.beats
    unit = _unit(wanted)
    if beats.n < 2:
        return f"Against random layouts: {beats.verdict} ({beats.n} pairs)."
    low, high = beats.low / wanted.scale, beats.high / wanted.scale
    return (
        f"Best minus random: {signed(beats.mean / wanted.scale)}{unit} (95 % interval {low:.2f} to "
        f"{high:.2f} over {beats.n} pairs, p = {beats.p:.2g}): {beats.verdict}."
    )


def winners_curse(end: EndFact) -> str:
    """How far the best fell back from what the search saw of them."""
    wanted, fell = quantity(end.goal), end.fell
    if fell.n < 2:
        return ""
    low, high = fell.low / wanted.scale, fell.high / wanted.scale
    unit = _unit(wanted)
    text = (
        f"Winner's curse: with new seeds the best are {fell.mean / wanted.scale:.2f}{unit} worse than the "
        f"search saw them (95 % interval {low:.2f} to {high:.2f})"
    )
    if end.winner_fell is None:
        return f"{text}."
    text += f"; the winner, {end.winner}, {end.winner_fell / wanted.scale:.2f}"
    if end.winner_low is not None and end.winner_high is not None:
        text += f" ({end.winner_low / wanted.scale:.2f} to {end.winner_high / wanted.scale:.2f})"
    return f"{text}."


def _unit(wanted: Quantity) -> str:
    """The unit of a difference."""
    return " points" if wanted.unit == "%" else f" {wanted.unit}" if wanted.unit else ""


def _row(pair: Again, wanted: Quantity, maximize: bool) -> tuple[Cell, ...]:
    best, other, again = (list(values.values()) for values in (pair.best, pair.other, pair.again))
    fell = (pair.found - fmean(again)) * (1 if maximize else -1)
    difference = fmean(best) - fmean(other)
    return (
        Cell(pair.layout, sort=pair.layout),
        Cell(pair.text, sort=pair.text),
        number(pair.found, with_error(pair.found / wanted.scale, None, fallback_digits=wanted.digits)),
        _mean(again, wanted),
        number(fell, signed(fell / wanted.scale)),
        _mean(best, wanted),
        Cell(f"{_mean(other, wanted).text}", sort=fmean(other), hint=pair.partner_text),
        number(difference, signed(difference / wanted.scale)),
    )


def _mean(values: list[float], wanted: Quantity) -> Cell:
    error = stdev(values) / wanted.scale if len(values) > 1 else None
    mean = fmean(values)
    return number(mean, with_error(mean / wanted.scale, error, fallback_digits=wanted.digits))


def _raw(pair: Again, maximize: bool) -> dict[str, object]:
    best, other = fmean(pair.best.values()), fmean(pair.other.values())
    return {
        "layout": pair.layout,
        "definition": pair.text,
        "in_search": pair.found,
        "again": fmean(pair.again.values()),
        "fell_back": (pair.found - fmean(pair.again.values())) * (1 if maximize else -1),
        "test": best,
        "partner": pair.partner,
        "partner_definition": pair.partner_text,
        "partner_test": other,
        "difference": best - other,
        **{f"{name}": costs[0] for name, costs in pair.costs.items()},
        **{f"partner_{name}": costs[1] for name, costs in pair.costs.items()},
        **{f"seed_{seed}": value for seed, value in pair.best.items()},
        **{f"partner_seed_{seed}": value for seed, value in pair.other.items()},
    }
