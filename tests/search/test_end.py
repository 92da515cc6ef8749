"""Whether a search beats random layouts, and whether it says so only where it does."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from scipy import stats

from ablate.layout.layout import Layout
from ablate.run.ledger import FILE, Ledger
from ablate.run.records import Outcome, failed
from ablate.run.search_facts import CourseFact, EndFact
from ablate.search import SearchSpace, run_search
from ablate.study.load import parse_study
from ablate.study.study import Study

KNOWN = """\
study: known
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=4), mlp_ratio: 1, head_dim: 8}
search:
  objectives: [maximize accuracy]
  space: {depths: [1..4, 1..4], widths: [[16, 24, 32, 40], 32], patterns: [conv, pool, conv pool]}
  trials: 100
measure:
  accuracy: {dataset: digits, epochs: 1, seeds: 1}
"""
NOISE = """\
study: noise
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=4), mlp_ratio: 1, head_dim: 8}
search:
  objectives: [maximize accuracy]
  space: {depths: [1..4, 1..4], widths: [16..32 step 8, 32..48 step 8], patterns: [conv, pool]}
  trials: 12
  sampler: random
  final: {layouts: 4, seeds: 3}
measure:
  accuracy: {dataset: digits, epochs: 1, seeds: 2}
"""


class FoundIt(Exception):  # noqa: N818
    """The best layout was asked for."""


def goodness(layout: Layout) -> float:
    """100 for one layout of the space, less for every step away from it."""
    first, second = ({call.name for call in stage.blocks} for stage in layout.stages)
    away = abs(layout.depths[0] - 3) + abs(layout.depths[1] - 4) + abs(layout.widths[0] - 32) / 8
    return 100 - 5 * away - 10 * (first != {"conv"}) - 10 * (second != {"pool"})


def trainings_until_found(study: Study, training: Any, out: Path, trained_to: Any) -> int:
    count = 0

    def outcome(layout: Layout, seed: int) -> Outcome:
        nonlocal count
        count += 1
        if goodness(layout) == 100:
            raise FoundIt
        return Outcome(trained_to(goodness(layout)).values)

    training.outcome = outcome
    with pytest.raises(FoundIt):
        run_search(study, out, executor=training, storage=optuna.storages.InMemoryStorage())
    return count


@pytest.mark.long
def test_a_known_best_is_found_with_fewer_trainings_than_by_chance(
    training: Any, trained_to: Any, tmp_path: Path
) -> None:
    study = parse_study(KNOWN)
    assert study.search is not None
    space = SearchSpace.of(study)
    layouts = list({space.layout(params) for params in space.all_params()})
    assert sum(goodness(layout) == 100 for layout in layouts) == 1
    fewer = 0
    for seed in range(10):
        of_seed = replace(study, search=study.search.model_copy(update={"seed": seed}))
        searched = trainings_until_found(of_seed, training, tmp_path / str(seed), trained_to)
        order = random.Random(seed).sample(layouts, len(layouts))
        fewer += searched < 1 + next(i for i, layout in enumerate(order) if goodness(layout) == 100)
    assert fewer >= 8


def noise(layout: Layout, seed: int, salt: int) -> float:
    key = f"{salt} {layout.text} {layout.widths} {layout.depths} {seed}"
    return 60 + random.Random(key).gauss(0, 1)


def test_on_pure_noise_nothing_is_resolved(training: Any, trained_to: Any, tmp_path: Path) -> None:
    verdicts, curses = [], []
    for seed in range(10):
        training.outcome = lambda layout, of, seed=seed: trained_to(noise(layout, of, seed))
        study = parse_study(NOISE)
        assert study.search is not None
        study = replace(study, search=study.search.model_copy(update={"seed": seed}))
        storage = optuna.storages.InMemoryStorage()
        result = run_search(study, tmp_path / str(seed), executor=training, storage=storage)
        assert result.end is not None
        verdicts.append(result.end.beats.verdict)
        curses.append(result.end.fell.mean)
    assert verdicts.count("not resolved") >= 9
    # the best four of twelve were lucky: their mean lies 0.8 errors of a mean of two seeds above the truth
    assert fmean(curses) == pytest.approx(0.8 / 2**0.5, abs=0.3)


def test_the_end_in_numbers(training: Any, trained_to: Any, tmp_path: Path) -> None:
    text = NOISE.replace("[maximize accuracy]", "[minimize macs, maximize accuracy]")
    training.outcome = lambda layout, seed: trained_to(
        50 + 5 * sum(layout.depths) + seed / 10 + noise(layout, seed, 0) / 100
    )
    study = parse_study(text)
    result = run_search(study, tmp_path, executor=training, storage=optuna.storages.InMemoryStorage())
    end = result.end
    assert end is not None
    assert end.seeds == (2, 3, 4)  # the search had 0 and 1
    assert len(end.pairs) == 4
    names = set(result.trials["name"])
    again: dict[str, list[tuple[int, str]]] = {}
    for job in training.jobs:
        again.setdefault(next(iter(job.layouts)), []).append((job.condition["seed"], job.condition["judge"]))
    for pair in end.pairs:
        assert pair.layout in names
        chosen_by = [(seed, "validation") for seed in range(5)]
        tested = [(seed, "test") for seed in (2, 3, 4)]  # nothing is chosen by these
        assert sorted(again[pair.layout]) == sorted(chosen_by + tested)
        assert sorted(again[pair.partner]) == tested  # a random layout is trained with the new seeds alone
        best, other = pair.costs["macs"]
        assert abs(np.log(best / other)) < 1  # of the same order, and where there is one within a tenth
        accuracy = result.trials.set_index("name").loc[pair.layout, "accuracy"]
        assert pair.found == pytest.approx(accuracy)
    differences = [fmean(pair.best.values()) - fmean(pair.other.values()) for pair in end.pairs]
    t = stats.ttest_1samp(differences, 0)
    assert end.beats.mean == pytest.approx(fmean(differences))
    assert end.beats.p == pytest.approx(t.pvalue)
    assert (end.beats.low, end.beats.high) == pytest.approx(tuple(t.confidence_interval()))
    winner = max(end.pairs, key=lambda pair: pair.found)
    assert end.winner == winner.layout
    assert end.winner_fell == pytest.approx(winner.found - fmean(winner.again.values()))
    with Ledger(tmp_path / FILE, read_only=True) as ledger:
        known = ledger.read(EndFact)
        assert known is not None
        assert json.dumps(known.to_json()) == json.dumps(end.to_json())
        assert ledger.read(CourseFact) == result.course


def test_a_pair_with_a_failed_training_is_left_out_by_name(
    training: Any, trained_to: Any, tmp_path: Path
) -> None:
    def outcome(layout: Layout, seed: int) -> Outcome:
        if seed == 3 and layout.name.startswith("random"):
            return failed("diverged", "no") if layout.depths[0] > 1 else trained_to(50.0)
        return trained_to(noise(layout, seed, 1))

    training.outcome = outcome
    result = run_search(
        parse_study(NOISE), tmp_path, executor=training, storage=optuna.storages.InMemoryStorage()
    )
    assert result.end is not None
    assert result.end.lost
    assert len(result.end.lost) + len(result.end.pairs) == 4
    assert result.end.beats.n == len(result.end.pairs)
