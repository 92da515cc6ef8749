"""Rungs: trials are compared on the way, and only the best go on, from their checkpoints."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ablate.layout.layout import Layout
from ablate.measurements.rung import StoppedAccuracy
from ablate.run.execute import CHECKPOINTS
from ablate.run.plan import plan
from ablate.study.goals import Objective
from ablate.study.study import Study

LIKELY = 0.25  # a trial that is among the best with this probability goes on
MOST = 2.0  # times as many as the rung lets through when nothing is resolved
_DRAWS = 400


def promoted(
    points: Sequence[Sequence[float]],
    errors: Sequence[float],
    newest: int,
    factor: float,
    seed: int = 0,
) -> list[int]:
    """Indices of those of the last `newest` points that go on to the next rung.

    `points` are the objectives, all to be minimized, of every trial that has reached this rung, in order;
    `errors` the standard error of each objective, 0 for exact ones. A point's rank is the number of points
    that beat it (nowhere worse, somewhere better); ties are broken at random. The ranking is repeated with
    normal noise of these errors, which gives the probability that a point is among the best
    `ceil(n / factor)`. Those of the best that are new go on, and so does every other new point whose
    probability is 1/4 at least, up to twice as many: within the noise between seeds nothing is thrown away.
    """
    count = len(points)
    best = math.ceil(count / factor)
    chance = _chances(np.asarray(points, dtype=float), np.asarray(errors, dtype=float), best, seed)
    order = sorted(range(count), key=lambda index: (-chance[index], index))
    kept = order[:best] + [
        index for index in order[best : math.floor(MOST * best)] if chance[index] >= LIKELY
    ]
    return sorted(index for index in kept if index >= count - newest)


def _chances(points: np.ndarray, errors: np.ndarray, best: int, seed: int) -> list[float]:
    """How often each point is among the best."""
    rng = np.random.default_rng(seed)
    times = np.zeros(len(points))
    draws = _DRAWS if errors.any() else 32  # the ties alone
    for _ in range(draws):
        drawn = points + errors * rng.standard_normal(points.shape)
        nowhere_worse = (drawn[:, None, :] <= drawn[None, :, :]).all(axis=2)
        better = (drawn[:, None, :] < drawn[None, :, :]).any(axis=2)
        beaten = (nowhere_worse & better).sum(axis=0)
        order = np.lexsort((rng.random(len(points)), beaten))
        times[order[:best]] += 1
    return [float(share) for share in times / draws]


def signed(metrics: Mapping[str, float], objectives: Iterable[Objective]) -> list[float]:
    """The objectives of a trial, all to be minimized; what is not known is infinitely bad."""
    return [
        (1.0 if goal.direction == "minimize" else -1.0) * metrics[goal.metric]
        if goal.metric in metrics
        else math.inf
        for goal in objectives
    ]


def stopping(study: Study, images: int) -> Study:
    """The study whose trainings stop after so many images."""
    given = study.measure.accuracy
    settings = StoppedAccuracy.model_construct(**{**dict(given), "stops": (images,)})
    return _with_accuracy(study, settings)


def hand_over(folder: Path, before: Study, after: Study, kind: str, layouts: Mapping[str, Layout]) -> None:
    """Move the checkpoints of a rung's trainings to where the next part of each looks for them.

    Where there is none (an executor that keeps no files here) the next part begins anew, and comes to the
    same.
    """
    targets = {
        (cell.layout, getattr(cell.condition, "seed", 0)): cell.key
        for cell in plan(after)
        if cell.kind == kind and cell.layout in layouts
    }
    for cell in plan(before):
        key = targets.get((cell.layout, getattr(cell.condition, "seed", 0)))
        source = folder / CHECKPOINTS / cell.key
        if cell.kind != "rung" or key is None or not source.is_dir():
            continue
        target = folder / CHECKPOINTS / key
        target.mkdir(parents=True, exist_ok=True)
        for file in source.glob("*.pt"):
            file.replace(target / file.name)
        shutil.rmtree(source, ignore_errors=True)


def drop(folder: Path, before: Study, layouts: Iterable[str]) -> None:
    """Remove the checkpoints of trials that were stopped."""
    names = set(layouts)
    for cell in plan(before):
        if cell.kind == "rung" and cell.layout in names:
            shutil.rmtree(folder / CHECKPOINTS / cell.key, ignore_errors=True)


def _with_accuracy(study: Study, settings: StoppedAccuracy) -> Study:
    return replace(study, measure=study.measure.model_copy(update={"accuracy": settings}))
