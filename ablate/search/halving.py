"""Successive halving: a batch is trained from rung to rung, and at each only the best go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ablate.layout.layout import Layout
from ablate.run.execute import StudyWatch
from ablate.run.executors.base import Executor
from ablate.run.ledger import Ledger
from ablate.search.evaluate import Candidate, measure_rung, needed_measures, selected
from ablate.search.rungs import drop, hand_over, promoted, signed, stopping
from ablate.study.search import Rungs
from ablate.study.study import Study


class Halving:
    """The rungs of a search, and every trial that has reached them."""

    def __init__(self, study: Study, rungs: Rungs, ledger: Ledger, executor: Executor):
        assert study.search is not None
        self.study, self.search, self.rungs = study, study.search, rungs
        self.ledger, self.executor = ledger, executor
        self.reached: dict[int, list[Candidate]] = {images: [] for images in rungs.images}

    def remember(self, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """A trial of the storage, with what it had on the way."""
        for images, accuracy in attributes.get("rungs", {}).items():
            metrics = {**attributes["metrics"], "accuracy": accuracy}
            self.reached[int(images)].append(Candidate(layout, metrics, attributes.get("spread")))

    def survivors(self, candidates: list[Candidate], watch: StudyWatch) -> list[Candidate]:
        """Those to train to the end; the others have failed, or know the rung that stopped them."""
        following = [*self.rungs.images[1:], None]
        for images, after in zip(self.rungs.images, following, strict=True):
            if candidates:
                candidates = self.rung(images, after, candidates, watch)
        return candidates

    def rung(
        self, images: int, after: int | None, candidates: Sequence[Candidate], watch: StudyWatch
    ) -> list[Candidate]:
        """Train up to a rung; those that go on, with their checkpoints where the next part looks for them."""
        layouts = {candidate.name: candidate.layout for candidate in candidates}
        accuracy = needed_measures(self.study, {"accuracy"}).model_copy(update={"complexity": None})
        whole = selected(self.study, layouts, accuracy)
        stopped = stopping(whole, images)
        measure_rung(candidates, stopped, self.ledger, executor=self.executor, watch=watch)
        sound = [candidate for candidate in candidates if not candidate.failure]
        for candidate in sound:
            candidate.rungs[images] = candidate.metrics["accuracy"]
        names = self.best(images, sound)
        for candidate in sound:
            candidate.stopped = 0 if candidate.name in names else images
        folder = self.ledger.path.parent.resolve()
        following = whole if after is None else stopping(whole, after)
        kept = {name: layout for name, layout in layouts.items() if name in names}
        hand_over(folder, stopped, following, "accuracy" if after is None else "rung", kept)
        drop(folder, stopped, layouts.keys() - kept.keys())
        return [candidate for candidate in sound if candidate.name in names]

    def best(self, images: int, newest: Sequence[Candidate]) -> set[str]:
        """The names of those new at a rung that go on, ranked among all that have reached it."""
        reached = self.reached[images]
        reached += [Candidate(item.layout, dict(item.metrics), item.spread) for item in newest]
        points = [signed(item.metrics, self.search.objectives) for item in reached]
        errors = self.errors(reached)
        kept = promoted(points, errors, len(newest), self.rungs.factor, self.search.seed)
        return {reached[index].name for index in kept}

    def errors(self, reached: Sequence[Candidate]) -> list[float]:
        """The standard error of each objective at a rung: pooled over trials, and 0 for exact ones."""
        squares = [item.spread**2 for item in reached if item.spread is not None]
        error = (fmean(squares) / self.study.measure.accuracy.seeds) ** 0.5 if squares else 0.0
        return [error if goal.metric == "accuracy" else 0.0 for goal in self.search.objectives]
