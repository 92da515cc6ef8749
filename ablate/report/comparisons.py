"""What may be said of two layouts, in one word and with the number: one rule for accuracies and times.

Differences of accuracies are paired by seed, ratios of latencies by process; both go through
`ablate.statistics.compare`, and all comparisons of one table are corrected together by Holm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from ablate.measurements.throughput import ThroughputValues
from ablate.report.numbers import PLUS_MINUS, signed, with_error
from ablate.report.results import Results
from ablate.report.table import Cell, Mark, Tone
from ablate.run.facts import LooksFact
from ablate.run.rows import AnyRecord
from ablate.statistics.compare import Comparison, compare, compare_ratios, correct
from ablate.statistics.sequential import Looks, sequential_compare
from ablate.statistics.student import t_quantile, t_two_sided


def compare_seeds(results: Results, values: Mapping[int, float], base: Mapping[int, float]) -> Comparison:
    """Two accuracies by seed; with the looks paid for where seeds were added until the matter was decided."""
    looks = results.knows(LooksFact)
    margin = results.fact.equivalent_within
    if looks is None or not looks.seeds:
        return compare(values, base, margin)
    order = [seed for seed in range(looks.reached) if seed in values and seed in base]
    return sequential_compare(values, base, order, Looks(looks.seeds), margin or looks.difference)


def compare_latencies(results: Results, values: ThroughputValues) -> Comparison:
    """The latency of a layout over the baseline's, by process. Of ledgers that keep no ratio of each process,
    the interval is taken as it stands there."""
    margin = results.fact.equivalent_ratio
    if values.process_ratios:
        ratios = dict(enumerate(values.process_ratios))
        return compare_ratios(ratios, dict.fromkeys(ratios, 1.0), margin)
    return _from_interval(values, margin)


def _from_interval(values: ThroughputValues, margin: float | None) -> Comparison:
    """The comparison that a ratio's 95 % interval over so many processes came from."""
    count, nothing = len(values.process_ms), math.nan
    ratio = nothing if values.ratio is None else values.ratio
    if count < 2 or values.ratio_low is None or values.ratio_high is None or values.ratio_low <= 0:
        return Comparison(
            count, ratio, *(nothing,) * 5, margin=margin, lower_is_better=True, no_difference=1.0
        )
    low, high = math.log(values.ratio_low), math.log(values.ratio_high)
    error = (high - low) / 2 / t_quantile(count - 1)
    p = t_two_sided((low + high) / 2 / error, count - 1) if error > 0 else float(low == 0)
    return Comparison(
        count,
        ratio,
        error * math.sqrt(count),
        values.ratio_low,
        values.ratio_high,
        p,
        p,
        margin=margin,
        lower_is_better=True,
        no_difference=1.0,
    )


def ratios_to_baseline(results: Results, records: Mapping[str, AnyRecord | None]) -> dict[str, Comparison]:
    """The latency ratios of one condition's layouts, by layout, corrected together; the baseline has none."""
    family = {
        name: compare_latencies(results, record.values)
        for name, record in records.items()
        if record is not None
        and isinstance(record.values, ThroughputValues)
        and record.values.ratio is not None
        and record.values.ratio_to != name
    }
    return correct(family)


def comparison_cell(comparison: Comparison) -> Cell:
    """The number with its interval and its word: `+0.42 ± 0.18 better`, `1.22 ± 0.01 worse`."""
    if math.isnan(comparison.mean):
        return Cell("–")
    half = (
        math.nan
        if math.isnan(comparison.low)
        else max(comparison.high - comparison.mean, comparison.mean - comparison.low)
    )
    ratio = comparison.no_difference == 1.0
    text = _wide(comparison) if ratio and half > comparison.mean / 2 else (
        with_error(comparison.mean, half) if ratio else signed(comparison.mean, half)
    )  # fmt: skip
    tone: Tone = "" if comparison.verdict in ("better", "worse") else "tie"
    return Cell(
        f"{text} {comparison.verdict}", sort=comparison.mean, tone=tone, hint=comparison_hint(comparison)
    )


def _wide(comparison: Comparison) -> str:
    """A ratio whose interval is far from symmetric, by its ends."""
    return f"{comparison.mean:.3g} [{comparison.low:.2g}, {comparison.high:.2g}]"


def comparison_hint(comparison: Comparison) -> str:
    """What stands behind the word: pairs, p, margin."""
    parts = [f"{comparison.n} pairs"]
    if not math.isnan(comparison.low):
        parts.append(f"95 % interval {comparison.low:.4g} to {comparison.high:.4g}".replace("-", "−"))
    if not math.isnan(comparison.p_corrected):
        parts.append(f"p = {comparison.p_corrected:.2g} (Holm)")
    if comparison.margin is not None:
        parts.append(f"equivalent within {PLUS_MINUS}{comparison.margin:g}")
    return ", ".join(parts)


def comparison_raw(comparison: Comparison | None, prefix: str) -> dict[str, float | str | int]:
    """The entries of a CSV file."""
    if comparison is None:
        comparison = compare({}, {})
    return {
        f"{prefix}_low": comparison.low,
        f"{prefix}_high": comparison.high,
        f"{prefix}_p": comparison.p,
        f"{prefix}_p_holm": comparison.p_corrected,
        f"{prefix}_verdict": comparison.verdict if comparison.n else "",
    }


_MARKS: dict[str, Mark] = {"textbf": "best", "underline": "second"}


def best_two(samples: Mapping[str, Mapping[int, float]], *, ratio: bool = False) -> dict[str, str]:
    """Which cells of a column are marked: the best one in bold, the second underlined.

    The best is marked when it is better than every other layout, and the second when, besides, it is better
    than all the rest; all pairs of the column are tested and corrected by Holm, because the best was picked
    after the fact. `samples` are values by seed, higher is better; with `ratio` times by process, lower is.
    """
    names = [name for name, sample in samples.items() if len(sample) > 1]
    test = compare_ratios if ratio else compare
    pairs = {(a, b): test(samples[a], samples[b]) for a, b in combinations(names, 2)}
    corrected = correct({str(place): pair for place, pair in enumerate(pairs.values())})
    decided = {pair: corrected[str(place)] for place, pair in enumerate(pairs)}
    wins = {
        name: sum(
            (a == name and pair.verdict == "better") or (b == name and pair.verdict == "worse")
            for (a, b), pair in decided.items()
        )
        for name in names
    }
    marks: dict[str, str] = {}
    if len(names) == len(samples) and len(names) > 1:
        marks |= {name: "textbf" for name, count in wins.items() if count == len(names) - 1}
        if marks and len(names) > 2:
            marks |= {name: "underline" for name, count in wins.items() if count == len(names) - 2}
    return marks


def marked(cell: Cell, mark: str | None) -> Cell:
    """The cell with the mark that `best_two` gave it."""
    return cell if mark is None else replace(cell, mark=_MARKS[mark])
