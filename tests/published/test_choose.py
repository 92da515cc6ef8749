"""Choosing within a budget, against a search through everything."""

from __future__ import annotations

import pytest

from ablate.cost.count import count
from ablate.errors import AblateError
from ablate.published.choose import Budget, candidates, choose, counts, place, predicted_memory
from ablate.published.record import DEVICES, accuracies, figures, speeds

BUDGET = Budget(macs=1e9, params=10e6)


def no_memory(_model: str, _resolution: int) -> int:
    return 0


def test_the_record_is_whole() -> None:
    assert len(figures()) == len({figure.key for figure in figures()}) == 1633
    assert len({figure.model for figure in figures()}) == 1286
    assert sum(len(group) for group in accuracies().values()) == 1556
    assert all(speeds(device) for device in DEVICES)
    assert speeds("rtx-4090")["aimv2_1b_patch14_224", 224] == 213.72


def test_the_counts_are_those_of_the_models() -> None:
    import timm

    smallest = sorted(counts(), key=lambda key: counts()[key])[:2]
    for model, resolution in smallest:
        module = timm.create_model(model, pretrained=False)
        weights = sum(parameter.numel() for parameter in module.parameters())
        assert counts()[model, resolution] == (count(module, resolution).macs, weights)


def test_all_and_only_the_models_within_the_budget() -> None:
    choice = choose(BUDGET, "rtx-4090", show=5000, memory=no_memory)
    expected = {(c.model, c.resolution) for c in candidates("rtx-4090") if c.macs <= 1e9 and c.params <= 10e6}
    assert {(c.model, c.resolution) for c in choice.shown} == expected
    assert choice.within == len(expected) > 20
    ranked = [c.top1 for c in choice.shown if c.top1 is not None]
    assert ranked == sorted(ranked, reverse=True)


def test_no_model_beats_one_on_the_front_and_every_other_is_beaten() -> None:
    choice = choose(BUDGET, "rtx-4090", show=5000, memory=no_memory)
    full = [c for c in choice.shown if c.top1 is not None and c.speed is not None]

    def beats(a: object, b: object) -> bool:
        pairs = [(b.macs, a.macs), (a.top1, b.top1), (a.speed, b.speed)]  # type: ignore[attr-defined]
        return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)

    front = {(c.model, c.resolution) for c in choice.front}
    assert front
    for candidate in full:
        beaten = any(beats(other, candidate) for other in full)
        assert beaten == ((candidate.model, candidate.resolution) not in front)


def test_memory_takes_models_from_the_table_and_from_the_front() -> None:
    sizes = {(c.model, c.resolution): (c.macs * 7919) % 64 for c in candidates()}
    limited = Budget(macs=1e9, params=10e6, memory=40e6 + 32)

    def memory(model: str, resolution: int) -> int:
        return 40_000_000 + sizes[model, resolution]

    choice = choose(limited, show=8, memory=memory)
    assert len(choice.shown) == 8
    assert all(c.memory is not None and c.memory <= 40e6 + 32 for c in (*choice.shown, *choice.front))
    free = choose(BUDGET, show=8, memory=memory)
    assert {(c.model, c.resolution) for c in free.shown} != {(c.model, c.resolution) for c in choice.shown}


def test_memory_is_at_least_the_weights() -> None:
    assert predicted_memory("resnet18", 160) > 4 * 11_689_512


def test_the_place_of_a_cost() -> None:
    within = sorted(c.macs for c in candidates() if c.macs <= 1e9 and c.params <= 10e6)
    lies = place(within[3] + 1, BUDGET)
    assert lies.cheaper == sum(macs <= within[3] for macs in within)
    assert lies.of == len(within)
    assert lies.below is not None
    assert lies.above is not None
    assert lies.below.macs <= within[3] < lies.above.macs
    assert place(0, BUDGET).below is None
    assert place(10**12, BUDGET).above is None


def test_an_unknown_device_is_named_with_the_nearest() -> None:
    with pytest.raises(AblateError, match="did you mean 'rtx-4090'"):
        choose(BUDGET, "rtx-409")
