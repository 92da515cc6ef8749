import json
import math

import numpy as np
import pytest
from scipy import stats

from ablate.runners.latency import MeasurementError, ProcessSamples, between_processes, combine
from ablate.runners.provenance import CpuTime

BASE = {"a": 0.010, "b": 0.012, "c": 0.010}


def process(
    random: np.random.Generator,
    rounds: int = 4,
    noise: float = 0.004,
    between: float = 0.087,
    drift: float = 0.0,
) -> ProcessSamples:
    """What a process would measure: its own speed, a drift over time, and noise of single calls.

    Blocks come in the order a b c c b a, six kept calls of eight; every call slows the next ones by `drift`.
    """
    speed = math.exp(random.normal(0, between))
    clock = 0
    blocks = []
    for _ in range(rounds):
        samples: dict[str, list[float]] = {name: [] for name in BASE}
        for name in [*BASE, *reversed(BASE)]:
            for call in range(8):
                clock += 1
                seconds = BASE[name] * speed * math.exp(random.normal(0, noise)) * (1 + drift * clock)
                if call >= 2:
                    samples[name].append(seconds)
        blocks.append(samples)
    return ProcessSamples(batch=32, rounds=blocks)


def test_the_ratio_is_found_although_processes_differ():
    random = np.random.default_rng(0)
    results = combine([process(random) for _ in range(5)], baseline="a")
    b, c = results["b"], results["c"]
    assert b.ratio == pytest.approx(1.2, rel=0.01)
    assert b.tie is False
    assert c.ratio == pytest.approx(1.0, rel=0.01)
    assert c.tie is True
    assert "tie" in c.note
    assert b.high_ms is not None
    assert b.low_ms is not None
    # the latency itself is uncertain by the spread between processes, the ratio is not
    assert (b.high_ms - b.low_ms) / b.latency_ms > 0.05
    assert b.ratio_high is not None
    assert b.ratio_low is not None
    assert b.ratio_high - b.ratio_low < 0.02


def test_a_drift_within_rounds_cancels():
    random = np.random.default_rng(1)
    drifting = [process(random, noise=0.0, drift=0.002) for _ in range(3)]
    results = combine(drifting, baseline="a")
    assert results["b"].ratio == pytest.approx(1.2, rel=1e-3)
    assert results["c"].ratio == pytest.approx(1.0, rel=1e-3)


def test_without_the_return_the_same_drift_would_bias():
    """The test above has force: forward blocks alone, the same machine, a ratio 3 % off."""
    random = np.random.default_rng(1)
    halves = []
    for full in [process(random, noise=0.0, drift=0.002) for _ in range(3)]:
        rounds = [{name: seconds[:6] for name, seconds in samples.items()} for samples in full.rounds]
        halves.append(ProcessSamples(32, rounds))
    assert combine(halves, baseline="a")["c"].ratio == pytest.approx(1.027, abs=0.01)


def test_ties_are_called_ties_in_95_of_100_cases():
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        same = [process(random, rounds=1, noise=0.02) for _ in range(3)]
        wrong += combine(same, baseline="a")["c"].tie is False
    assert wrong / 400 == pytest.approx(0.05, abs=0.03)


def test_figures_are_medians_of_medians():
    processes = [
        ProcessSamples(32, [{"a": [0.001, 0.002, 0.009]}, {"a": [0.002, 0.003, 0.002]}]),
        ProcessSamples(32, [{"a": [0.004, 0.004, 0.004]}]),
        ProcessSamples(32, [{"a": [0.003, 0.003, 0.003]}]),
    ]
    result = combine(processes, baseline="a")["a"]
    assert result.process_ms == pytest.approx([2.0, 4.0, 3.0])
    assert result.latency_ms == pytest.approx(3.0)
    assert result.images_per_s == pytest.approx(32 / 0.003)
    assert (result.ratio, result.tie, result.ratio_to) == (1.0, None, "a")


def test_interval_is_students_on_logarithms():
    values = [9.0, 10.0, 12.5, 9.5, 10.5]
    logs = np.log(values)
    low, high = stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))
    assert between_processes(values) == pytest.approx((10.0, math.exp(low), math.exp(high)))


def test_one_process_has_no_interval_and_says_so():
    result = combine([process(np.random.default_rng(3))], baseline="a")["b"]
    assert (result.low_ms, result.high_ms, result.ratio_low, result.tie) == (None, None, None, None)
    assert "no interval" in result.note
    assert result.ratio == pytest.approx(1.2, rel=0.02)


def test_a_missing_baseline_leaves_no_ratio():
    result = combine([process(np.random.default_rng(4)) for _ in range(2)], baseline="z")["b"]
    assert (result.ratio, result.tie, result.ratio_to) == (None, None, "")


def test_layouts_missing_in_a_process_are_left_out():
    full = ProcessSamples(1, [{"a": [1.0], "b": [1.0]}])
    part = ProcessSamples(1, [{"a": [1.0]}], failed={"b": "oom: full"})
    assert list(combine([full, part], baseline="a")) == ["a"]
    with pytest.raises(MeasurementError, match="no layout"):
        combine([ProcessSamples(1, [], failed={"a": "x"})], baseline="a")
    with pytest.raises(MeasurementError, match="no layout"):
        combine([], baseline="a")


def test_a_busy_machine_is_reported():
    quiet = ProcessSamples(1, [{"a": [1.0]}], load_before=0.9, load_after=1.1)
    loaded = ProcessSamples(1, [{"a": [1.0]}], load_before=0.9, load_after=6.5)
    assert not combine([quiet, quiet], baseline="a")["a"].busy
    result = combine([quiet, loaded], baseline="a")["a"]
    assert result.busy
    assert "6.5" in result.note


def test_what_other_processes_did_counts_more_than_the_load_of_the_last_minute():
    after_a_build = ProcessSamples(1, [{"a": [1.0]}], load_before=2.0, load_after=1.9, others=0.02)
    disturbed = ProcessSamples(1, [{"a": [1.0]}], load_before=0.1, load_after=0.3, others=0.8)
    assert not combine([after_a_build, after_a_build], baseline="a")["a"].busy
    result = combine([after_a_build, disturbed], baseline="a")["a"]
    assert result.busy
    assert "0.8 cores" in result.note


def test_other_processes_are_what_is_left_of_the_busy_time():
    start = CpuTime(everybody=100.0, own=10.0, clock=0.0)
    assert start.others_until(CpuTime(everybody=130.0, own=20.0, clock=10.0)) == pytest.approx(2.0)
    assert start.others_until(CpuTime(everybody=110.0, own=20.5, clock=10.0)) == 0
    assert start.others_until(CpuTime(everybody=None, own=20.0, clock=10.0)) is None


@pytest.mark.parametrize("bad", [0.0, -0.001, math.nan, math.inf])
def test_impossible_durations_are_refused(bad: float):
    with pytest.raises(MeasurementError, match="not positive"):
        ProcessSamples(1, [{"a": [0.1, bad]}])
    with pytest.raises(MeasurementError, match="not positive"):
        ProcessSamples(1, [{"a": []}])


def test_samples_survive_json():
    samples = process(np.random.default_rng(5))
    assert ProcessSamples.from_json(json.loads(json.dumps(samples.to_json()))) == samples
    json.dumps(combine([samples, samples], baseline="a")["b"].to_json())
