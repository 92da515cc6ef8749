"""Small searches, and a stand-in for training: it counts its jobs and needs no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ablate.layout.layout import Layout
from ablate.layout.settings import LayoutSettings
from ablate.run.cell import Outcome
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


@dataclass
class Training:
    """Takes the place of the worker processes. `outcome(layout, seed)` says what a job comes to."""

    outcome: Callable[[Layout, int], Outcome] = field(
        default_factory=lambda: (
            lambda layout, seed: Outcome("done", {"top1": 10.0 * sum(layout.depths) + seed})
        )
    )
    layouts: list[Layout] = field(default_factory=list)

    def __call__(
        self, jobs: Sequence[dict[str, Any]], workers: int, **_: Any
    ) -> Iterator[tuple[int, Outcome]]:
        for index, job in enumerate(jobs):
            ((name, settings),) = job["layouts"].items()
            layout = Layout.from_settings(LayoutSettings.model_validate(settings), name)
            self.layouts.append(layout)
            yield index, self.outcome(layout, job["condition"]["seed"])


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    """Nothing is trained; the jobs that would have been are counted."""
    stand_in = Training()
    monkeypatch.setattr("ablate.run.execute.run_jobs", stand_in)
    return stand_in
