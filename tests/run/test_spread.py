"""Where the spread comes from, and how budgets rank: pretended runs with known answers; seeds apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ablate.data import load
from ablate.errors import AblateError
from ablate.measurements.variance import VarianceCondition
from ablate.run.executors.base import Executor, Setup, Watch
from ablate.run.records import Outcome, failed
from ablate.run.spread import rank_of, variance_of
from ablate.runners.accuracy import train
from ablate.study.load import parse_study

STUDY = """\
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [16], depths: [2], head_dim: 8, mlp_ratio: 2}
layouts: {a: conv, b: softmax, c: pool, d: linear, e: key_only}
measure: {accuracy: {dataset: digits, epochs: 1, seeds: 3}}
"""


def test_a_real_spread_from_the_command_line(ablate: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "v.yaml"
    file.write_text(STUDY.replace("epochs: 1", "epochs: 1, subset: 32, precision: fp32"))
    ended = ablate("variance", file, "--runs", 2, "--layout", "a", "--out", tmp_path / "out", "--workers", 1)
    assert ended.code == 0, ended.err
    assert all(word in ended.out for word in ("weights", "order", "augmentation"))


class Pretended(Executor):
    """Trains nothing: a top-1 by layout and condition."""

    def __init__(self, top1: Callable[[str, dict[str, Any]], float]):
        self.setup, self.top1, self.ran = Setup(), top1, 0

    def run(self, jobs, watch: Watch = lambda job, fraction: None):  # type: ignore[no-untyped-def]
        for job in jobs:
            if not job.cells:  # what the study knows of its mixers
                yield job, failed("error", "not asked")
                continue
            self.ran += 1
            yield job, Outcome(values={"top1": self.top1(next(iter(job.cells)), job.condition)})


def test_the_source_that_varies_is_found(tmp_path: Path) -> None:
    def top1(name: str, condition: dict[str, Any]) -> float:
        draw = random.Random(condition["weights_seed"]).gauss(0, 1)
        return 90 + draw + 0.1 * random.Random(1000 + condition["order_seed"]).gauss(0, 1)

    executor = Pretended(top1)
    by_source = {
        c.name: c for c in variance_of(parse_study(STUDY), "b", tmp_path, executor, runs=8, groups=2)
    }
    assert by_source["weights"].sd > 5 * by_source["order"].sd > 0
    assert by_source["augmentation"].sd == 0
    assert by_source["everything"].runs == 8
    assert executor.ran == 8 + 3 * 2 * 7  # the first run of each group is one of those of everything
    variance_of(parse_study(STUDY), "b", tmp_path, executor, runs=8, groups=2)
    assert executor.ran == 8 + 3 * 2 * 7


def test_an_unknown_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(AblateError, match="unknown layout 'bb'"):
        variance_of(parse_study(STUDY), "bb", tmp_path, Pretended(lambda name, condition: 0.0))


@pytest.mark.parametrize("budgets", [(2, 2), (4, 1)])
def test_a_long_schedule_is_longer(tmp_path: Path, budgets: tuple[int, int]) -> None:
    with pytest.raises(AblateError, match="must be longer than the short one of"):
        rank_of(parse_study(STUDY), budgets, tmp_path, Pretended(lambda name, condition: 90.0))


def test_ranks_of_two_budgets(tmp_path: Path) -> None:
    order = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    late = order | {"d": 5, "e": 4}

    def top1(name: str, condition: dict[str, Any]) -> float:
        level = (order if condition["epochs"] == 1 else late)[name]
        return 80 + level + 0.01 * random.Random(f"{name}{condition['seed']}").gauss(0, 1)

    executor = Pretended(top1)
    ranks = rank_of(parse_study(STUDY), (1, 4), tmp_path, executor)
    assert (ranks.pairs, ranks.agreeing, ranks.sure_reversed) == (10, 9, 1)
    assert ranks.spearman.value == pytest.approx(0.9)
    rank_of(parse_study(STUDY), (1, 4), tmp_path, executor)
    assert executor.ran == 2 * 5 * 3


@pytest.mark.parametrize("part", ["weights", "order", "augmentation"])
def test_each_seed_changes_its_own_source_alone(part: str) -> None:
    dataset = load("digits", subset=64, resolution=8)
    losses: dict[str, tuple[float | None, float | None]] = {}
    for name, seeds in {"base": {}, "same": {}, "other": {f"{part}_seed": 7}}.items():
        protocol = VarianceCondition(
            dataset="digits", epochs=2, batch=32, precision="fp32", augment=True, **seeds
        )
        result = train(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), dataset, protocol)
        losses[name] = result.train_loss, result.test_loss
    assert losses["base"] == losses["same"]
    assert losses["base"] != losses["other"]
