"""What the numbers say, in words that they support: better, worse, equivalent, not resolved."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ablate.measurements.register import quantity
from ablate.measurements.throughput import ThroughputValues
from ablate.report.accuracy import accuracies
from ablate.report.cells import stored
from ablate.report.numbers import fixed, plural, signed, significant, with_error
from ablate.report.repeats import differences, repeats_of
from ablate.report.results import Results, kind_quantities
from ablate.report.table import Table
from ablate.statistics.compare import Comparison

_ORDER = ("better", "worse", "faster", "slower", "equivalent", "not resolved", "not known")


@dataclass(frozen=True)
class Verdict:
    """One word, and the layouts of which it may be said, with their numbers."""

    word: str
    layouts: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What one quantity says of the layouts, against the baseline."""

    title: str
    verdicts: tuple[Verdict, ...]


def findings(results: Results, tables: Sequence[Table]) -> list[Finding]:
    """The findings of a study: predictions first, then accuracy, other scores, latency and counted costs."""
    made = [_expected(tables), _accuracy(results), *_scores(results), _latency(results), *_counted(results)]
    return [finding for finding in made if finding is not None and finding.verdicts]


def _expected(tables: Sequence[Table]) -> Finding | None:
    """Which predictions held, each with its figure."""
    table = next((table for table in tables if table.name == "expectations"), None)
    if table is None:
        return None
    outcomes: dict[str, list[str]] = {}
    for row in table.rows:
        figure = f" ({row[2].text})" if len(row) > 2 and row[2].text != "–" else ""
        outcomes.setdefault(row[1].text, []).append(row[0].text + figure)
    order = ("failed", "held", "not resolved")
    return Finding(
        "What was predicted",
        tuple(
            Verdict(word, tuple(outcomes[word]))
            for word in (*order, *(word for word in outcomes if word not in order))
            if word in outcomes
        ),
    )


def _accuracy(results: Results) -> Finding | None:
    known = accuracies(results)
    if len(known) < 2 or results.baseline is None:
        return None
    words: dict[str, list[str]] = {}
    for name, accuracy in known.items():
        if name == results.baseline:
            continue
        difference = accuracy.difference
        if difference is None:
            words.setdefault("not known", []).append(f"{name} ({accuracy.seeds_text} seeds finished)")
            continue
        words.setdefault(difference.verdict, []).append(_phrase(name, difference, "points"))
    condition = results.planned("accuracy")[0]
    title = f"Top-1 on {condition.at('dataset')}, against {results.baseline}"
    return Finding(title, _verdicts(words))


def _scores(results: Results) -> Iterator[Finding]:
    """The first score of every other measurement that is repeated over seeds under one condition."""
    for kind in results.kinds:
        scores = [wanted for wanted in kind_quantities(kind) if wanted.repeats and wanted.better != "neither"]
        if kind == "accuracy" or not scores or "dataset" in results.varying(kind):
            continue
        wanted, words = scores[0], dict[str, list[str]]()
        unit = "points" if wanted.unit == "%" else wanted.unit
        compared = differences(repeats_of(results, kind), wanted, results.fact.equivalent_within)
        for name, difference in compared.items():
            words.setdefault(difference.verdict, []).append(_phrase(name, difference, unit))
        yield Finding(f"{wanted.label}, against {results.baseline}", _verdicts(words))


def _phrase(name: str, difference: Comparison, unit: str) -> str:
    return f"{name} ({signed(difference.mean, difference.mean - difference.low)} {unit})"


def _latency(results: Results) -> Finding | None:
    planned = results.planned("throughput")
    if not planned:
        return None
    names = ("mode", "precision", "batch", "compile", "device")
    side = results.nearest("throughput")
    condition = {name: planned[0].at(name) for name in names} | {"resolution": side}
    words: dict[str, list[str]] = {}
    for record in results.done("throughput", **condition):
        values = record.values
        if not isinstance(values, ThroughputValues) or values.ratio is None:
            continue
        if record.layout == values.ratio_to or values.ratio_to != results.baseline:
            continue
        low, high = values.ratio_low, values.ratio_high
        if low is None or high is None:
            continue
        tie = values.tie if values.tie is not None else low <= 1 <= high
        half = max(high - values.ratio, values.ratio - low)
        text = f"{record.layout} ({with_error(values.ratio, half)} times)"
        words.setdefault("not resolved" if tie else "faster" if high < 1 else "slower", []).append(text)
    title = f"Latency at {side} px, batch {condition['batch']}, against {results.baseline}"
    return Finding(title, _verdicts(words))


def _verdicts(words: Mapping[str, Sequence[str]]) -> tuple[Verdict, ...]:
    order = [*(word for word in _ORDER if word in words), *(word for word in words if word not in _ORDER)]
    return tuple(Verdict(word, tuple(words[word])) for word in order)


def _counted(results: Results) -> Iterator[Finding]:
    """Least and most of the exact counts: no error, so that every difference is one."""
    for name, scale in (("macs", "G"), ("params", "M")):
        wanted = quantity(name, "complexity")
        records = results.done("complexity", resolution=results.reference)
        known = {record.layout: stored(record, wanted) for record in records}
        known = {layout: value for layout, value in known.items() if not math.isnan(value)}
        if len(known) < 2:
            continue
        ends = {"fewest": min(known.values()), "most": max(known.values())}
        place = f" at {results.reference} px" if name == "macs" else ""
        if ends["fewest"] == ends["most"]:
            yield Finding(f"{wanted.label}{place}", (Verdict("equal", ("all layouts",)),))
            continue
        verdicts = []
        for word, end in ends.items():
            layouts = [layout for layout, value in known.items() if value == end]
            number = f"{significant(end / wanted.scale, 4)} {scale}"
            times = end / ends["fewest"]
            more = f", {fixed(times, 2)} times the fewest" if word == "most" else ""
            verdicts.append(Verdict(word, (f"{', '.join(layouts)} ({number}{more})",)))
        yield Finding(f"{wanted.label}{place}", tuple(verdicts))


def failures(results: Results) -> list[tuple[str, str, str]]:
    """Distinct reasons of cells without a number, as status, count and reason, the most frequent first."""
    counts = Counter((record.status, record.kind, record.reason) for record in results.not_done)
    return [
        (status, plural(count, f"{kind} cell"), reason)
        for (status, kind, reason), count in counts.most_common()
    ]
