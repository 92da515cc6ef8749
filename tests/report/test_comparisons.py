"""One rule and one set of words for accuracies and times; marks in LaTeX for what is resolved only."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from ablate.measurements.throughput import ThroughputValues
from ablate.report.cells import ratio_cell, with_interval
from ablate.report.comparisons import best_two, compare_latencies, compare_seeds, comparison_cell
from ablate.report.render import to_latex
from ablate.report.results import Results
from ablate.report.tables.main import main_table
from ablate.run.facts import LooksFact, StudyFact
from ablate.run.records import Record
from ablate.statistics.compare import compare, correct

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]
PLAIN = Results([], StudyFact("s"))
WIDE = Results([], StudyFact("s", equivalent_within=2.0, equivalent_ratio=0.1))


def timed(*ratios: float, keep: bool = True) -> ThroughputValues:
    logs = [math.log(ratio) for ratio in ratios]
    low, high = stats.t.interval(0.95, len(logs) - 1, loc=sum(logs) / len(logs), scale=stats.sem(logs))
    return ThroughputValues(
        latency_ms=2.0,
        low_ms=1.9,
        high_ms=2.1,
        images_per_s=500.0,
        process_ms=tuple(2 * ratio for ratio in ratios),
        ratio=math.exp(sum(logs) / len(logs)),
        ratio_low=math.exp(low),
        ratio_high=math.exp(high),
        ratio_to="base",
        process_ratios=ratios if keep else (),
    )


def test_latencies_are_tested_by_process_on_logarithms() -> None:
    ratios = (1.21, 1.25, 1.19, 1.22)
    comparison = compare_latencies(PLAIN, timed(*ratios))
    assert comparison.p == pytest.approx(stats.ttest_1samp([math.log(ratio) for ratio in ratios], 0).pvalue)
    assert comparison.verdict == "worse"
    assert compare_latencies(WIDE, timed(1.01, 0.99, 1.0, 1.005)).verdict == "equivalent"


def test_ledgers_without_ratios_of_processes_say_the_same() -> None:
    ratios = (0.81, 0.85, 0.79, 0.82)
    new, old = (compare_latencies(PLAIN, timed(*ratios, keep=keep)) for keep in (True, False))
    assert (old.p, old.low, old.high) == pytest.approx((new.p, new.low, new.high))
    assert (old.verdict, new.verdict) == ("better", "better")
    nothing = compare_latencies(PLAIN, replace(timed(0.8, 0.9, keep=False), ratio_low=None, ratio_high=None))
    assert (nothing.verdict, nothing.mean) == ("not resolved", pytest.approx(math.sqrt(0.72)))


def test_a_ratio_that_says_nothing_shows_its_ends_and_the_word() -> None:
    comparison = compare_latencies(PLAIN, timed(2.56, 2.17))
    cell = comparison_cell(comparison)
    assert cell.text == f"2.36 [{comparison.low:.2g}, {comparison.high:.2g}] not resolved"
    assert cell.tone == "tie"


def test_a_latency_whose_error_is_as_large_as_itself_is_not_resolved() -> None:
    values = replace(timed(1.0, 1.1), latency_ms=4.0, low_ms=1.0, high_ms=18.0)
    record = Record("a", "throughput", WIDE, "k", "done", values=values)  # type: ignore[type-var]
    assert with_interval(record, "latency").text == "4 ± 14 not resolved"
    assert ratio_cell(record, "base", None).text == "1"


def test_added_seeds_pay_for_their_looks() -> None:
    random_ = random.Random(3)
    ours = {seed: 90.4 + random_.gauss(0, 0.3) for seed in range(6)}
    theirs = {seed: 90.0 + random_.gauss(0, 0.1) for seed in range(6)}
    looked = Results([], StudyFact("s"), [LooksFact((3, 6, 10), 6, 0.5)])
    free, paid = compare_seeds(PLAIN, ours, theirs), compare_seeds(looked, ours, theirs)
    assert paid.p > free.p
    assert (paid.low, paid.high) < (free.low, free.high)
    assert (paid.margin, free.margin) == (0.5, None)


def test_the_best_is_marked_only_where_it_is_better_than_all_others() -> None:
    base = {seed: 90 + 0.01 * seed**2 for seed in range(6)}
    shifted = lambda by, wobble: {s: v + by + wobble * (-1) ** s for s, v in base.items()}  # noqa: E731
    samples = {"a": base, "b": shifted(1, 0.02), "c": shifted(3, 0.03)}
    assert best_two(samples) == {"c": "textbf", "b": "underline"}
    assert best_two(samples | {"d": shifted(3.01, 0.05)}) == {}
    assert best_two(samples | {"a": shifted(1.01, 0.05)}) == {"c": "textbf"}
    assert best_two(samples | {"d": {0: 80.0}}) == {}  # of one seed nothing is known
    assert best_two({"slow": {0: 3.0, 1: 3.1, 2: 3.05}, "fast": {0: 1.0, 1: 1.1, 2: 1.0}}, ratio=True) == {
        "fast": "textbf"
    }


def test_the_table_is_corrected_as_one_family_and_marks_go_to_latex(opened: Open, study_of: Make) -> None:
    frame = study_of(("a", "b", "c"), resolutions=(224,), seeds=4, kinds=("accuracy",))
    noise = random.Random(0)
    given: dict[str, dict[int, float]] = {}
    for name, level in {"a": 90.0, "b": 90.4, "c": 93.0}.items():
        given[name] = {seed: level + noise.gauss(0, 0.15) for seed in range(4)}
        for index in frame.index[frame["layout"] == name]:
            frame.at[index, "values"] = {"top1": given[name][frame.at[index, "condition"]["seed"]]}
    table = main_table(opened(frame, study="s", baseline="a"))
    expected = correct({name: compare(given[name], given["a"]) for name in ("b", "c")})
    raw = table.raw.set_index("layout")
    for name, comparison in expected.items():
        assert raw.loc[name, "top1_difference_p_holm"] == pytest.approx(comparison.p_corrected)
        assert raw.loc[name, "top1_difference_verdict"] == comparison.verdict
    assert expected["b"].p_corrected > expected["b"].p or expected["c"].p_corrected > expected["c"].p
    assert r"\textbf{" in to_latex(table, "t")
