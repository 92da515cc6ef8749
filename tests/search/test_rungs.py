"""Rungs: who goes on, that the ledger has them, and that a promoted training goes on where it was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from ablate.layout.layout import Layout
from ablate.run.execute import CHECKPOINTS
from ablate.run.executors.base import Setup
from ablate.run.executors.local import LocalExecutor
from ablate.run.ledger import FILE, Ledger
from ablate.run.perform import perform
from ablate.run.records import Job, Outcome, plain
from ablate.search import run_search
from ablate.search.rungs import _chances, promoted
from ablate.study.load import load_study, parse_study
from ablate.study.search import Rungs

REAL = """\
study: real
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), mlp_ratio: 1, head_dim: 8}
search:
  objectives: [maximize accuracy]
  space: {depths: [1..2], widths: [[16, 24]], patterns: [conv]}
  trials: 4
  batch: 4
  rungs: {images: [256], factor: 4}
measure:
  accuracy: {dataset: digits, resolution: 8, epochs: 2, batch: 64, seeds: 1, subset: 512}
"""


def test_without_noise_the_best_go_on() -> None:
    values = [[-value] for value in (3.0, 9.0, 5.0, 1.0, 8.0, 2.0, 7.0, 4.0, 6.0)]
    assert promoted(values, [0.0], 9, 3.0) == [1, 4, 6]
    assert promoted(values, [0.0], 2, 3.0) == []  # of 4 and 6 none is among the best three of all nine


def test_within_the_noise_more_go_on_but_never_twice_as_many() -> None:
    rng = random.Random(0)
    close = [[-60 - rng.gauss(0, 0.1)] for _ in range(9)]
    assert 3 < len(promoted(close, [1.0], 9, 3.0)) <= 6
    assert len(promoted(close, [0.001], 9, 3.0)) == 3


def test_the_front_goes_on() -> None:
    # macs against accuracy: a cheap poor one and a dear good one are both on the front
    points = [[1.0, -50.0], [2.0, -60.0], [3.0, -70.0], [3.0, -40.0], [4.0, -45.0], [5.0, -65.0]]
    assert promoted(points, [0.0, 0.0], 6, 2.0) == [0, 1, 2]


def test_the_chance_of_two_is_the_normal_one() -> None:
    chance = _chances(np.array([[0.0], [1.0]]), np.array([1.0]), 1, 0)
    # P(x + e1 < y + e2) = Phi(1 / sqrt 2) = 0.760
    assert chance[0] == pytest.approx(0.760, abs=0.06)


def test_trials_are_stopped_and_the_ledger_knows(
    training: Any, trained: Any, trained_to: Any, tmp_path: Path
) -> None:
    def outcome(layout: Layout, seed: int) -> Outcome:
        return trained_to(10.0 * sum(layout.depths) + seed / 100)

    training.outcome = outcome
    study = trained(rungs=Rungs(images=("100", "150")), batch=5)
    result = run_search(
        study, tmp_path, trials=9, executor=training, storage=optuna.storages.InMemoryStorage()
    )
    frame = result.trials
    assert {"done", "stopped"} == set(frame["status"])
    kinds = [job.kind for job in training.jobs]
    assert kinds.count("rung") > kinds.count("accuracy") == 2 * (frame["status"] == "done").sum()
    stops = [job.condition["stop"] for job in training.jobs if job.kind == "rung"]
    assert stops.count(100) == 2 * 9
    assert 0 < stops.count(150) < 2 * 9
    stopped = frame[frame["status"] == "stopped"]
    assert stopped["accuracy_at_100"].notna().all()
    assert not set(stopped["name"]) & set(result.front["name"])
    with Ledger(tmp_path / FILE, read_only=True) as ledger:
        ((kept,),) = ledger.ask("SELECT count(*) FROM rows WHERE kind = 'rung'")
        assert kept == kinds.count("rung")
    jobs = len(training.jobs)
    again = run_search(
        study, tmp_path, trials=9, executor=training, storage=optuna.storages.InMemoryStorage()
    )
    assert len(training.jobs) == jobs  # the ledger had all of it
    assert again.trials["status"].tolist() == frame["status"].tolist()


def test_a_promoted_training_goes_on_from_its_checkpoint_with_the_same_result(tmp_path: Path) -> None:
    study = parse_study(REAL)
    with LocalExecutor(Setup(workers=1)) as executor:
        result = run_search(study, tmp_path / "rungs", executor=executor)
        with Ledger(tmp_path / "rungs" / FILE, read_only=True) as ledger:
            rows = {(record.layout, record.kind): record.values for record in ledger.records()}
    assert (result.trials["status"] == "stopped").sum() >= 2
    best = result.front["name"].iloc[0]
    whole = rows[best, "accuracy"]
    assert whole.continued == 1
    assert whole.images_seen == 896  # two epochs of seven batches: a tenth of 512 is kept to choose by
    folder = tmp_path / "rungs" / CHECKPOINTS
    assert not folder.exists() or not list(folder.rglob("*.pt"))
    # the same training in one piece
    assert result.best_yaml is not None
    layout = load_study(result.best_yaml).layouts[best]
    condition = plain(next(record.condition for record in _records(tmp_path) if record.layout == best))
    job = Job("accuracy", "ablate.runners.accuracy:run", {best: layout.to_yaml_dict()}, condition)
    in_one_piece = perform(job, lambda fraction: None)
    assert in_one_piece["top1"] == whole.top1
    assert in_one_piece["test_loss"] == pytest.approx(whole.test_loss)


def _records(tmp_path: Path) -> list[Any]:
    with Ledger(tmp_path / "rungs" / FILE, read_only=True) as ledger:
        return [record for record in ledger.records() if record.kind == "accuracy"]
