"""From which resolution each layout is cheaper than the baseline: counted, and from measured latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pandas as pd

from ablate.report.drawing import Crossover
from ablate.report.quantities import LATENCY, QUANTITIES
from ablate.report.results import Results, describe, select
from ablate.statistics.crossing import MeasuredCrossover, Point, measured_crossover

Verdict = Literal["cheaper from", "dearer from", "cheaper", "dearer", "equal", "not resolved", "not known"]
TIMING = ("mode", "precision", "batch", "threads", "compile", "device")


@dataclass(frozen=True)
class Crossing:
    """One layout against the baseline in one quantity (a key of `QUANTITIES`).

    `resolution` in pixels, with `low` and `high` where it is measured, belongs to the verdicts that end in
    `from`; `value` is what the cheaper of the two needs there, in the stored unit. `condition` tells the
    conditions of a latency apart, where there are several.
    """

    layout: str
    baseline: str
    quantity: str
    verdict: Verdict
    resolution: float | None = None
    low: float | None = None
    high: float | None = None
    value: float | None = None
    method: str = ""
    note: str = ""
    condition: str = ""


def crossings(results: Results) -> list[Crossing]:
    """All quantities in their order, each with all layouts but the baseline; empty without scaling cells."""
    rows = results.done("scaling")
    counted = [_counted(record) for record in rows.to_dict("records")]
    found = [one for each in counted for one in each] + (_timed(results) if counted else [])
    order = list(QUANTITIES)
    return sorted(found, key=lambda one: (order.index(one.quantity), one.condition))


_MARKED = 6


def marks(found: Sequence[Crossing]) -> list[Crossover]:
    """The crossings that figures show: the first few of each quantity, so that they can be read."""
    shown: dict[tuple[str, str], list[Crossover]] = {}
    for one in found:
        if one.resolution is None or one.value is None:
            continue
        cheaper, dearer = one.layout, one.baseline
        if one.verdict == "dearer from":
            cheaper, dearer = dearer, cheaper
        place, ends = (one.resolution, one.value), (one.low, one.high)
        marked = Crossover(one.quantity, cheaper, dearer, *place, *ends, one.condition)
        shown.setdefault((one.quantity, one.condition), []).append(marked)
    return [one for each in shown.values() for one in each[:_MARKED]]


def _counted(record: Mapping[Any, Any]) -> list[Crossing]:
    values, layout = record["values"], str(record["layout"])
    pairs: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in values["crossovers"]:
        pairs.setdefault(one["quantity"], {})["mine" if one["a"] == layout else "back"] = one
    return [
        _verdict(layout, values["baseline"], quantity, pair["mine"], pair["back"])
        for quantity, pair in pairs.items()
    ]


def _verdict(
    layout: str, baseline: str, quantity: str, mine: Mapping[str, Any], back: Mapping[str, Any]
) -> Crossing:
    """Both directions in one: at most one of them is less at the largest resolution."""
    verdict: Verdict = "not known" if mine["note"].startswith("cannot") else "equal"
    chosen, word = mine, "cheaper"
    for one, everywhere, somewhere in ((mine, "cheaper", "cheaper from"), (back, "dearer", "dearer from")):
        if one["less"]:
            chosen, word = one, everywhere
            verdict = somewhere if one["resolution"] is not None else everywhere  # type: ignore[assignment]
    return Crossing(
        layout,
        baseline,
        quantity,
        verdict,
        chosen["resolution"],
        value=chosen["value"],
        method=mine["method"],
        note=chosen["note"].replace("less at", f"{word} at"),
    )


def _timed(results: Results) -> list[Crossing]:
    """Crossovers of measured latency, from the ratios to the baseline within rounds, condition by
    condition."""
    rows = results.done("throughput")
    conditions = results.conditions("throughput", TIMING)
    found = []
    for condition in conditions:
        mine = select(rows, **condition) if len(rows) else rows
        telling = {k: v for k, v in condition.items() if k in results.varying("throughput")}
        base = select(mine, layout=results.baseline) if len(mine) else mine
        for layout in results.layouts:
            of_layout = select(mine, layout=layout) if len(mine) else mine
            if layout != results.baseline and len(of_layout):
                found.append(_latency(layout, str(results.baseline), of_layout, base, describe(telling)))
    return found


def _latency(layout: str, baseline: str, rows: pd.DataFrame, base: pd.DataFrame, condition: str) -> Crossing:
    ratios = [
        Point(float(row["resolution"]), *(float(row[column]) for column in _RATIO))
        for row in rows.to_dict("records")
        if row["values"].get("ratio_to") == baseline and not any(math.isnan(row[column]) for column in _RATIO)
    ]
    ones = [Point(point.resolution, 1.0, 1.0, 1.0) for point in ratios]
    there, back = measured_crossover(ratios, ones), measured_crossover(ones, ratios)
    verdict, chosen = _measured_verdict(ratios, there, back)
    times = {float(row["resolution"]): float(row["latency_ms"]) for row in base.to_dict("records")}
    at = chosen.estimate
    value = _interpolated(times, at) if at is not None else None
    note = _note(verdict, ratios, chosen)
    return Crossing(
        layout, baseline, LATENCY, verdict, at, chosen.low, chosen.high, value, "measured", note, condition
    )


_RATIO = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")


def _measured_verdict(
    ratios: Sequence[Point], there: MeasuredCrossover, back: MeasuredCrossover
) -> tuple[Verdict, MeasuredCrossover]:
    if len(ratios) < 2:
        return "not known", there
    if all(point.high < 1 for point in ratios):
        return "cheaper", there
    if all(point.low > 1 for point in ratios):
        return "dearer", back
    if there.high is not None:
        return "cheaper from", there
    return ("dearer from", back) if back.high is not None else ("not resolved", there)


def _note(verdict: Verdict, ratios: Sequence[Point], chosen: MeasuredCrossover) -> str:
    if verdict == "not known":
        return "fewer than two resolutions with an interval"
    sides = sorted(ratios, key=lambda point: point.resolution)
    if verdict in ("cheaper", "dearer"):
        return f"at every resolution measured, {sides[0].resolution:g} to {sides[-1].resolution:g} px"
    ties = [f"{point.resolution:g}" for point in sides if point.low <= 1 <= point.high]
    notes = [f"the ratio's interval holds 1 at {', '.join(ties)} px" if ties else ""]
    if chosen.high is not None and chosen.low is None:
        notes.append("no lower bound: never certainly the other way round")
    turns = sum((one.value < 1) != (other.value < 1) for one, other in pairwise(sides))
    notes.append(f"{turns} crossings; this is the last one" if turns > 1 else "")
    return "; ".join(filter(None, notes))


def _interpolated(times: Mapping[float, float], at: float) -> float | None:
    """A power law between the two measured neighbours."""
    for low, high in pairwise(sorted(times)):
        if low <= at <= high:
            share = math.log(at / low) / math.log(high / low)
            return math.exp((1 - share) * math.log(times[low]) + share * math.log(times[high]))
    return None
