"""From which resolution each layout is cheaper than the baseline: counted, and from measured latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from ablate.measurements.register import quantity
from ablate.measurements.scaling import CountedCrossing, ScalingValues
from ablate.measurements.throughput import ThroughputValues
from ablate.report.results import Results, curve, describe
from ablate.report.rooflines import grown
from ablate.run.rows import AnyRecord
from ablate.statistics.crossing import MeasuredCrossover, Point, measured_crossover

Verdict = Literal["cheaper from", "dearer from", "cheaper", "dearer", "equal", "not resolved", "not known"]
TIMING = ("mode", "precision", "batch", "threads", "compile", "device")
LATENCY = "latency"
FOLLOWED = (
    "macs", "inference_fused", "inference_math", "training_fused", "training_math", "roofline_ms", LATENCY,
)  # fmt: skip
"""The quantities that are followed over resolutions, in the order in which tables show them."""


@dataclass(frozen=True)
class Crossing:
    """One layout against the baseline in one quantity of `FOLLOWED`.

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

    @property
    def cheaper(self) -> str:
        """The layout that needs less from the crossing on."""
        return self.baseline if self.verdict == "dearer from" else self.layout

    @property
    def dearer(self) -> str:
        """The other one."""
        return self.layout if self.verdict == "dearer from" else self.baseline


def crossings(results: Results) -> list[Crossing]:
    """All quantities in their order, each with all layouts but the baseline; empty without scaling cells."""
    growth = grown(results)
    base = str(results.baseline)
    counted = [crossing for layout, _, values in growth for crossing in _counted(layout, base, values)]
    timed = _timed(results) if growth else []
    return sorted(
        counted + timed, key=lambda crossing: (FOLLOWED.index(crossing.quantity), crossing.condition)
    )


_MARKED = 6


def marks(known: Sequence[Crossing]) -> list[Crossing]:
    """The crossings that figures show: the first few of each quantity, so that they can be read."""
    shown: dict[tuple[str, str], list[Crossing]] = {}
    for crossing in known:
        if crossing.resolution is not None and crossing.value is not None:
            shown.setdefault((crossing.quantity, crossing.condition), []).append(crossing)
    return [crossing for group in shown.values() for crossing in group[:_MARKED]]


def _counted(layout: str, baseline: str, values: ScalingValues) -> list[Crossing]:
    """The names in the values are those at the time of the count: a layout that is renamed keeps its row."""
    there: dict[str, CountedCrossing] = {}
    back: dict[str, CountedCrossing] = {}
    for crossing in values.crossovers:
        (there if crossing.b == values.baseline else back)[crossing.quantity] = crossing
    return [
        _verdict(layout, baseline, name, there[name], back[name])
        for name in dict.fromkeys(crossing.quantity for crossing in values.crossovers)
    ]


def _verdict(
    layout: str, baseline: str, name: str, there: CountedCrossing, back: CountedCrossing
) -> Crossing:
    """Both directions in one: at most one of them is less at the largest resolution."""
    verdict: Verdict = "not known" if there.note.startswith("cannot") else "equal"
    chosen, word = there, "cheaper"
    if there.less:
        verdict = "cheaper" if there.resolution is None else "cheaper from"
    if back.less:
        chosen, word = back, "dearer"
        verdict = "dearer" if back.resolution is None else "dearer from"
    return Crossing(
        layout,
        baseline,
        name,
        verdict,
        chosen.resolution,
        value=chosen.value,
        method=there.method,
        note=chosen.note.replace("less at", f"{word} at"),
    )


def _timed(results: Results) -> list[Crossing]:
    """Crossovers of measured latency, from the ratios to the baseline within rounds, by condition."""
    known = []
    varying = results.varying("throughput")
    baseline = str(results.baseline)
    for condition in results.conditions("throughput", TIMING):
        differing = describe({name: value for name, value in condition.items() if name in varying})
        base = curve(results.done("throughput", layout=baseline, **condition), quantity(LATENCY))
        for layout in results.layouts:
            records = results.done("throughput", layout=layout, **condition)
            if layout != baseline and records:
                known.append(_latency(layout, baseline, records, base, differing))
    return known


def _latency(
    layout: str, baseline: str, records: Sequence[AnyRecord], base: Mapping[int, float], condition: str
) -> Crossing:
    ratios = [
        Point(float(record.at("resolution")), values.ratio, values.ratio_low, values.ratio_high)
        for record in records
        if isinstance(values := record.values, ThroughputValues)
        and values.ratio_to == baseline
        and values.ratio is not None
        and values.ratio_low is not None
        and values.ratio_high is not None
    ]
    ones = [Point(point.resolution, 1.0, 1.0, 1.0) for point in ratios]
    there, back = measured_crossover(ratios, ones), measured_crossover(ones, ratios)
    verdict, chosen = _measured_verdict(ratios, there, back)
    at = chosen.estimate
    value = _interpolated(base, at) if at is not None else None
    note = _note(verdict, ratios, chosen)
    ends: dict[str, Any] = {"low": chosen.low, "high": chosen.high, "value": value, "method": "measured"}
    return Crossing(layout, baseline, LATENCY, verdict, at, note=note, condition=condition, **ends)


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
    turns = sum((point.value < 1) != (other.value < 1) for point, other in pairwise(sides))
    notes.append(f"{turns} crossings; this is the last one" if turns > 1 else "")
    return "; ".join(filter(None, notes))


def _interpolated(times: Mapping[int, float], at: float) -> float | None:
    """A power law between the two measured neighbours."""
    for low, high in pairwise(sorted(times)):
        if low <= at <= high:
            share = math.log(at / low) / math.log(high / low)
            return math.exp((1 - share) * math.log(times[low]) + share * math.log(times[high]))
    return None
