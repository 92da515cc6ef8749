"""Small searches, and an executor that stands in for training: it counts its jobs and needs no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import optuna
import pytest

from ablate.cost.layouts import layout_cost
from ablate.layout.layout import Layout
from ablate.layout.settings import LayoutSettings
from ablate.measurements.accuracy import AccuracyValues
from ablate.run.executors.base import Executor, Setup, Watch, unwatched
from ablate.run.records import Job, Outcome, failed
from ablate.study.load import parse_study
from ablate.study.study import Study

BASE = """\
study: tiny
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=4), mlp_ratio: 1, head_dim: 8}
"""
COUNTED = """\
search:
  objectives: [minimize macs, maximize params]
  constraints: [params <= 22k]
  space:
    depths: [[1, 2], [1, 2]]
    widths: [[16, 24], [32]]
    patterns: [conv, pool]
  trials: 60
"""
TRAINED = """\
search:
  objectives: [minimize macs, maximize accuracy]
  constraints: [params <= 16k]
  space:
    depths: [[1, 2], [1, 2]]
    widths: [[16, 24], [32]]
    patterns: [conv, pool]
  trials: 14
measure:
  accuracy: {dataset: digits, epochs: 1, seeds: 2, subset: 200}
"""


MakeStudy = Callable[..., Study]


def _make(text: str) -> MakeStudy:
    def make(**changes: Any) -> Study:
        parsed = parse_study(BASE + text)
        assert parsed.search is not None
        return replace(parsed, search=parsed.search.model_copy(update=changes))

    return make


@pytest.fixture
def counted() -> MakeStudy:
    """Makes studies that search by exact costs alone; keywords replace settings of the search."""
    return _make(COUNTED)


@pytest.fixture
def trained() -> MakeStudy:
    """Makes studies whose search needs training, with two seeds."""
    return _make(TRAINED)


@pytest.fixture
def trained_text() -> str:
    """The text of the study that needs training."""
    return BASE + TRAINED


def trained_to(top1: float) -> Outcome:
    """What a training of this accuracy comes to."""
    return Outcome(AccuracyValues(top1, 1.0, 1.0, 200, 2, 0.1, 2000.0).to_json())


def usual(layout: Layout, seed: int) -> Outcome:
    """Deeper is better, and so is a later seed."""
    return trained_to(10.0 * sum(layout.depths) + seed)


@dataclass
class Training(Executor):
    """Counts costs in this process and trains nothing: `outcome(layout, seed)` says what comes of it.

    `layouts` and `jobs` are the trainings that were asked for, in order; `priced` is how many layouts were
    counted.
    """

    outcome: Callable[[Layout, int], Outcome] = usual
    layouts: list[Layout] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    priced: int = 0
    setup: Setup = field(default_factory=Setup)

    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            if job.kind in ("accuracy", "rung"):
                yield job, self.train(job)
            elif job.runner == "ablate.runners.costs:run":
                self.priced += 1
                yield job, _costs(job)
            else:  # what a report would show of the best layouts
                yield job, failed("error", "not counted in this test")

    def train(self, job: Job) -> Outcome:
        """Note a training."""
        ((name, settings),) = job.layouts.items()
        layout = Layout.from_settings(LayoutSettings.model_validate(settings), name, check=False)
        self.layouts.append(layout)
        self.jobs.append(job)
        return self.outcome(layout, job.condition["seed"])


def _costs(job: Job) -> Outcome:
    ((name, settings),) = job.layouts.items()
    layout = Layout.from_settings(LayoutSettings.model_validate(settings), name, check=False)
    cost = layout_cost(layout, job.condition["resolution"], channels=job.channels, classes=job.classes)
    return Outcome({name: float(getattr(cost, name)) for name in ("params", "macs", "flops")})


@pytest.fixture
def training() -> Training:
    """Nothing is trained; the jobs that would have been are counted."""
    return Training()


@pytest.fixture
def memory() -> optuna.storages.InMemoryStorage:
    """A storage that needs no disk."""
    return optuna.storages.InMemoryStorage()


@pytest.fixture(name="trained_to")
def trained_to_() -> Callable[[float], Outcome]:
    """What a training of an accuracy comes to."""
    return trained_to
