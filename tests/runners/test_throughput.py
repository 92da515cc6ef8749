from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ablate.measurements.throughput import ThroughputCondition
from ablate.runners.latency import combine
from ablate.runners.throughput import largest_batch, measure_process, prepare


class Recorder(nn.Module):
    """Does nothing but note that it was called."""

    def __init__(self, name: str, calls: list[str], fail_at: int | None = None):
        super().__init__()
        self.name, self.calls, self.fail_at = name, calls, fail_at
        self.weight = nn.Parameter(torch.zeros(1, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(self.name)
        if self.fail_at is not None and self.calls.count(self.name) >= self.fail_at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 EiB")
        return x.mean((1, 2, 3)).unsqueeze(1) * self.weight


def condition(**changes: object) -> ThroughputCondition:
    settings: dict[str, object] = {"resolution": 4, "batch": 2, "rounds": 2, "seconds": 1e-9} | changes
    return ThroughputCondition(**settings)  # type: ignore[arg-type]


def counted(call: Callable[[], object], calls: int, device: torch.device) -> list[float]:
    """A clock that shows 1, 2, 3, ... seconds, so that dropped calls can be told."""
    for _ in range(calls):
        call()
    return [float(number) for number in range(1, calls + 1)]


def runs_of(calls: list[str]) -> list[tuple[str, int]]:
    runs: list[tuple[str, int]] = []
    for name in calls:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return runs


def test_warm_up_then_blocks_there_and_back():
    calls: list[str] = []
    models = {name: Recorder(name, calls) for name in "abc"}
    samples = measure_process(models, condition(), time_block=counted)
    warm, timed = calls[:15], calls[15:]
    assert runs_of(warm) == [("a", 5), ("b", 5), ("c", 5)]
    # a b c c b a, twice: neighbours of one name come together
    assert runs_of(timed) == [
        ("a", 8),
        ("b", 8),
        ("c", 16),
        ("b", 8),
        ("a", 16),
        ("b", 8),
        ("c", 16),
        ("b", 8),
        ("a", 8),
    ]
    assert len(samples.rounds) == 2
    assert (
        samples.rounds[0]["b"] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0] * 2
    )  # the first two of each block are dropped
    assert samples.batch == 2
    assert not samples.failed


def test_each_process_begins_with_another_layout():
    for process, first in enumerate("abca"):
        calls: list[str] = []
        models = {name: Recorder(name, calls) for name in "abc"}
        measure_process(models, condition(), process=process, time_block=counted)
        assert calls[0] == first


def test_rounds_go_on_until_the_seconds_are_spent(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr("ablate.runners.throughput.time.perf_counter", lambda: now[0])

    def slow(call: Callable[[], object], calls: int, device: torch.device) -> list[float]:
        now[0] += 1.0
        return [0.1] * calls

    done: list[float] = []
    models = {name: Recorder(name, []) for name in "ab"}
    samples = measure_process(
        models, condition(seconds=10.0, rounds=2), time_block=slow, on_round=done.append
    )
    assert len(samples.rounds) == 5  # four blocks of a second each; 2 x 10 seconds
    assert done == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    few = measure_process(models, condition(seconds=0.1, rounds=3), time_block=slow)
    assert len(few.rounds) == 3


@pytest.mark.parametrize("fail_at", [1, 5, 6, 20])
def test_one_that_fails_leaves_the_others(fail_at: int):
    calls: list[str] = []
    models = {"a": Recorder("a", calls), "b": Recorder("b", calls, fail_at), "c": Recorder("c", calls)}
    samples = measure_process(models, condition(rounds=3), time_block=counted)
    assert samples.names == ["a", "c"]
    assert samples.failed["b"].status == "oom"
    assert samples.failed["b"].reason.startswith("OutOfMemoryError: CUDA out of memory")
    assert calls.count("a") == 5 + 3 * 16
    assert list(combine([samples, samples], baseline="a")) == ["a", "c"]


def test_all_fail():
    samples = measure_process({"a": Recorder("a", [], 1)}, condition(), time_block=counted)
    assert (samples.rounds, list(samples.failed)) == ([], ["a"])


def test_real_times_of_real_models():
    models = {name: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 10)) for name in ("a", "b")}
    samples = measure_process(models, condition(mode="training", precision="bf16"))
    assert not samples.failed
    assert [len(seconds) for seconds in samples.rounds[0].values()] == [12, 12]
    assert samples.device


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_call_does_what_the_condition_says(mode: str, precision: str):
    seen: dict[str, object] = {}

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 10, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            seen.update(training=self.training, grad=torch.is_grad_enabled(), dtype=y.dtype)
            seen.update(shape=tuple(x.shape), last=x.is_contiguous(memory_format=torch.channels_last))
            seen.update(weights=self.conv.weight.dtype)
            return y.mean((2, 3))

    model = Spy()
    call = prepare(model, condition(mode=mode, precision=precision, batch=3, resolution=5))
    call()
    training = mode == "training"
    assert seen["training"] is training
    assert seen["grad"] is training
    assert seen["dtype"] is (torch.bfloat16 if precision == "bf16" else torch.float32)
    assert seen["weights"] is torch.float32
    assert seen["shape"] == (3, 3, 5, 5)
    assert seen["last"] is True
    assert (model.conv.weight.grad is not None) is training


def test_training_steps_move_weights_by_next_to_nothing():
    torch.manual_seed(0)  # a bias that is large by chance would not move at all in float32
    model = nn.Sequential(nn.Conv2d(3, 10, 4), nn.Flatten())
    before = [parameter.clone() for parameter in model.parameters()]
    call = prepare(model, condition(mode="training"))
    for _ in range(3):
        call()
    for old, new in zip(before, model.parameters(), strict=True):
        assert not torch.equal(old, new)
        assert torch.allclose(old, new, atol=1e-7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "sleep"},
        {"precision": "fp8"},
        {"batch": 0},
        {"rounds": 0},
        {"block": 2, "dropped": 2},
        {"threads": 0},
    ],
)
def test_impossible_conditions_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        condition(**wrong)


@pytest.mark.parametrize("fits", [0, 1, 2, 3, 37, 64, 1000])
def test_largest_batch_is_found(fits: int):
    largest = largest_batch(nn.Identity, condition(), runs=lambda batch: batch <= fits)
    assert largest.batch == fits
    assert not largest.limited
    assert len(largest.tried) <= 2 * max(1, fits).bit_length() + 1


def test_largest_batch_stops_at_its_limit():
    largest = largest_batch(nn.Identity, condition(), limit=100, runs=lambda batch: True)
    assert (largest.batch, largest.limited) == (100, True)
    assert max(largest.tried) == 100


def test_largest_batch_tells_memory_from_mistakes():
    class Full(nn.Module):
        def __init__(self, most: int, message: str):
            super().__init__()
            self.most, self.message = most, message

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > self.most:
                raise RuntimeError(self.message)
            return x

    message = (
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
    )
    assert largest_batch(lambda: Full(5, message), condition()).batch == 5
    with pytest.raises(RuntimeError, match="shape"):
        largest_batch(lambda: Full(5, "shape mismatch"), condition())
