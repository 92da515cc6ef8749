"""Two results side by side: exact numbers, seeds, intervals, bounds; ledgers of several machines in one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from ablate.errors import AblateError
from ablate.run.compare import Difference, differences, parse_bound
from ablate.run.execute import run_study
from ablate.run.facts import StudyFact
from ablate.run.ledger import Ledger
from ablate.run.merge import merge
from ablate.run.records import Job, Outcome, failed
from ablate.study.load import parse_study

TEXT = """
study: machines
input: {resolution: 32, channels: 1, classes: 10}
defaults: {widths: [8, 16], depths: [1, 1]}
layouts: {a: conv, b: softmax}
measure:
  complexity: {resolutions: [32]}
  throughput: {resolutions: [32], batch: 2}
  accuracy: {dataset: digits, resolution: 8, epochs: 1, seeds: 4, precision: fp32}
"""
MEMORY = {"inference_peak": 1, "training_peak": 2}
BYTES = {
    "weights": 1,
    "gradients": 1,
    "optimizer": 1,
    "device_kernel": "fused",
    "fused": MEMORY,
    "math": MEMORY,
}
COUNTED = {
    "params": 100,
    "macs": 1000,
    "flops": 2000,
    "training_macs": 3000,
    "elementwise": 1,
    "bytes": 1,
    "activations": 1,
    "memory": BYTES,
}
Stand = Callable[[Callable[[Job], Outcome]], Any]


def noise(seed: int) -> float:
    return random.Random(seed).gauss(0, 0.3)


def outcomes(
    macs: int = 1000, ms: float = 10.0, gain: float = 0.0, device: str = ""
) -> Callable[[Job], Outcome]:
    def outcome(job: Job) -> Outcome:
        if job.kind == "complexity":
            return Outcome(COUNTED | {"macs": macs})
        if job.kind == "throughput":
            timed = {"latency_ms": ms, "low_ms": ms * 0.98, "high_ms": ms * 1.02, "images_per_s": 2000 / ms}
            plain = Outcome(timed, device=device).to_json()
            return Outcome({"outcomes": dict.fromkeys(job.layouts, plain)})
        if job.kind == "accuracy":
            seed = job.condition["seed"]
            scatter = noise(seed) + 0.05 * noise(seed + 100 + round(gain))
            return Outcome({"top1": 70 + scatter + gain}, device=device)
        return failed("error", "not made up")

    return outcome


@pytest.fixture
def results(tmp_path: Path, stand_in: Stand) -> Callable[..., Ledger]:
    def make(name: str, text: str = TEXT, **kwargs: Any) -> Ledger:
        ledger = Ledger(tmp_path / name / "ledger.sqlite")
        run_study(parse_study(text), ledger, stand_in(outcomes(**kwargs)))
        return ledger

    return make


def difference_of(rows: list[Difference], quantity: str, layout: str = "a") -> Difference:
    return next(d for d in rows if (d.quantity.name, d.layout) == (quantity, layout))


def test_counted_numbers_are_exact(results: Callable[..., Ledger]) -> None:
    with results("before") as before, results("after", macs=1100) as after:
        rows, lost = differences(before, after)
    assert difference_of(rows, "macs").change == pytest.approx(0.1)
    assert difference_of(rows, "macs").verdict == "higher"
    assert difference_of(rows, "params").verdict == "same"
    assert lost == []


def test_results_and_their_copy_are_the_same(results: Callable[..., Ledger]) -> None:
    with results("before") as before, results("copy") as copy:
        rows, _ = differences(before, copy)
    assert {difference.verdict for difference in rows} == {"same"}


def test_latencies_are_compared_on_the_logarithm(results: Callable[..., Ledger]) -> None:
    with results("before") as before, results("after", ms=11.0) as after, results("near", ms=10.1) as near:
        slower = difference_of(differences(before, after)[0], "latency")
        same = difference_of(differences(before, near)[0], "latency")
    assert slower.change == pytest.approx(0.1)
    half = math.sqrt(2) * math.log(1 / 0.98)  # the wider side of each interval, independent errors
    assert slower.low == pytest.approx(1.1 * math.exp(-half) - 1)
    assert slower.high == pytest.approx(1.1 * math.exp(half) - 1)
    assert slower.verdict == "higher"
    assert same.verdict == "not resolved"


def test_seeds_are_paired(results: Callable[..., Ledger]) -> None:
    with results("before") as before, results("after", gain=1.0) as after:
        rows = [d for d in differences(before, after)[0] if d.quantity.name == "accuracy"]
    pairs = [
        [70 + noise(seed) + 0.05 * noise(seed + 100 + gain) + gain for seed in range(4)] for gain in (0, 1)
    ]
    expected = stats.ttest_rel(pairs[1], pairs[0])
    low, high = expected.confidence_interval()
    assert rows[0].change == pytest.approx(sum(pairs[1]) / 4 - sum(pairs[0]) / 4)
    assert (rows[0].low, rows[0].high) == (pytest.approx(low), pytest.approx(high))
    assert {d.verdict for d in rows} == {"higher"}


def test_bounds(results: Callable[..., Ledger]) -> None:
    with results("before") as before, results("after", ms=11.0, gain=-2.0) as after:
        rows, _ = differences(before, after)
    latency, accuracy = difference_of(rows, "latency"), difference_of(rows, "accuracy")
    assert parse_bound("latency +5%").exceeded(latency)
    assert not parse_bound("latency +15%").exceeded(latency)
    assert not parse_bound("latency -5%").exceeded(latency)
    assert parse_bound("accuracy -0.5").exceeded(accuracy)
    assert not parse_bound("accuracy -3").exceeded(accuracy)
    assert not parse_bound("latency +5%").exceeded(replace(latency, resolved=False)), "it may be chance"
    assert parse_bound("latency +0%").upwards
    assert not parse_bound("accuracy -0").upwards


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("latency", "expected a quantity and a change"),
        ("latency 5%", "expected a quantity and a change"),
        ("latency +5", "is in percent"),
        ("latncy +5%", "did you mean 'latency'"),
    ],
)
def test_a_bound_that_says_nothing(text: str, complaint: str) -> None:
    with pytest.raises(AblateError, match=complaint.replace("?", r"\?")):
        parse_bound(text)


def test_a_cell_that_was_lost_is_told(
    results: Callable[..., Ledger], tmp_path: Path, stand_in: Stand
) -> None:
    with results("before") as before, Ledger(tmp_path / "after" / "ledger.sqlite") as after:
        broken = stand_in(lambda job: failed("oom", "too large"))
        run_study(parse_study(TEXT), after, broken)
        _, lost = differences(before, after)
    assert {(cell.kind, cell.status) for cell in lost} == {
        ("complexity", "oom"), ("throughput", "oom"), ("accuracy", "oom"),
    }  # fmt: skip


# Merging


def test_merged_ledgers_have_every_row_and_each_cell_once(
    results: Callable[..., Ledger], tmp_path: Path
) -> None:
    first, second = TEXT.replace("seeds: 4", "seeds: 2"), TEXT.replace("b: softmax", "c: pool")
    with (
        results("x", first, device="X") as x,
        results("y", second, device="Y") as y,
        Ledger(tmp_path / "both" / "ledger.sqlite") as both,
    ):
        merged = merge([x, y], both)
        rows = [len(ledger.ask("SELECT 1 FROM rows")) for ledger in (x, y)]
        records = both.records()
        fact = both.read(StudyFact)
    assert merged.rows == sum(rows)
    # a, b, c are counted and timed once each, and trained with four, two and four seeds
    assert merged.cells == len(records) == 3 + 3 + (4 + 2 + 4)
    assert {record.state for record in records} == {"done"}
    assert [record.kind for record in records] == sorted(
        (record.kind for record in records), key=["complexity", "throughput", "accuracy"].index
    )
    devices = {(r.layout, r.provenance.device) for r in records if r.kind == "throughput"}
    assert devices == {("a", "X"), ("b", "X"), ("c", "Y")}, (
        "rows keep their device, and the first one's count"
    )
    assert fact is not None
    assert set(fact.layouts) == {"a", "b", "c"}


def test_ledgers_of_different_studies_are_refused(results: Callable[..., Ledger], tmp_path: Path) -> None:
    with (
        results("x") as x,
        results("y", TEXT.replace("a: conv", "a: pool")) as y,
        Ledger(tmp_path / "both" / "ledger.sqlite") as both,
        pytest.raises(AblateError, match=r"'a' is 'conv' in .* and 'pool' in"),
    ):
        merge([x, y], both)


def test_a_cell_that_one_machine_failed_is_the_other_s(
    results: Callable[..., Ledger], tmp_path: Path, stand_in: Stand
) -> None:
    with results("y") as y, Ledger(tmp_path / "x" / "ledger.sqlite") as x:
        run_study(parse_study(TEXT), x, stand_in(lambda job: failed("oom", "too large")))
        # as on a machine with another device, whose keys are others
        x.change("UPDATE rows SET key = 'x' || key")
        x.change("UPDATE plan SET key = 'x' || key")
        with Ledger(tmp_path / "both" / "ledger.sqlite") as both:
            merge([x, y], both)
            assert {record.state for record in both.records()} == {"done"}
