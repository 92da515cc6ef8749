"""What a study knows of one quantity of one layout: a count, values by seed or by process, an interval."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

from ablate.measurements.register import measurement, quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.quantities import Quantity
from ablate.report.repeats import without_seed
from ablate.report.results import Results
from ablate.run.rows import AnyRecord
from ablate.study.expect_judge import Evidence, Interval, Judgement, judge
from ablate.study.expectation import Expectation, Term


def judged(results: Results, expectation: Expectation) -> Judgement:
    """What became of an expectation."""
    return judge(expectation, lambda term: _of_term(results, quantity(term.quantity), term))


def evidence(results: Results, wanted: Quantity, layout: str) -> Evidence | None:
    """The stored value or values of a layout; None where nothing is done.

    At the study's own resolution where it was measured, else at the nearest to it; of several other
    conditions (mode, batch, recipe) the first that was planned for it. Latencies come by process with the
    drift between rounds taken out: the baseline's of that process, times the ratio to it.
    """
    return _of_term(results, wanted, Term(wanted.name, layout))


def _of_term(results: Results, wanted: Quantity, term: Term) -> Evidence | None:
    records = _records(results, wanted, term)
    if wanted.repeats:
        values = {int(record.at("seed") or 0): wanted.value(record.values) for record in records}
        known: dict[Hashable, float] = {
            seed: value for seed, value in values.items() if not math.isnan(value)
        }
        return known or None
    if not records:
        return None
    record = records[0]
    if wanted.name == "latency" and isinstance(record.values, ThroughputValues):
        return dict(enumerate(_latencies(results, record, record.values))) or None
    value = wanted.value(record.values)
    if math.isnan(value):
        return None
    low, high = wanted.interval(record.values)
    return value if math.isnan(low) or math.isnan(high) else Interval(value, low, high)


def is_exact(wanted: Quantity) -> bool:
    """Whether a quantity is counted, or predicted by counting, and so has no error."""
    if wanted.kind == "memory":  # predicted, in the pool because some of its numbers are measured
        return wanted.name not in ("measured_peak", "scratch")
    return measurement(wanted.kind).where == "counted"


def samples(results: Results, wanted: Quantity, layouts: tuple[str, ...]) -> dict[str, dict[Hashable, float]]:
    """The values by seed or process of every layout that has some."""
    known = {name: evidence(results, wanted, name) for name in layouts}
    return {name: dict(values) for name, values in known.items() if isinstance(values, Mapping)}


def _records(results: Results, wanted: Quantity, term: Term) -> list[AnyRecord]:
    """The finished cells of the condition that is meant; several only where they differ by their seed."""
    kind = wanted.kind
    side = term.resolution
    if side is None and not wanted.repeats:
        side = results.shown_at(kind)
    planned = [
        cell
        for cell in results.planned(kind, layout=term.layout, resolution=side)
        if term.is_on(str(cell.at("dataset")))
    ]
    if not planned:
        return []
    meant = without_seed(planned[0])
    return [record for record in results.done(kind, layout=term.layout) if without_seed(record) == meant]


def _latencies(results: Results, record: AnyRecord, values: ThroughputValues) -> tuple[float, ...]:
    if not values.process_ratios:
        return values.process_ms
    for other in results.done("throughput", layout=values.ratio_to):
        if other.condition == record.condition and isinstance(other.values, ThroughputValues):
            base = other.values.process_ms
            if len(base) == len(values.process_ratios):
                return tuple(a * b for a, b in zip(base, values.process_ratios, strict=True))
    return values.process_ms
