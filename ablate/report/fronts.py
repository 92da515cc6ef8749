"""The Pareto front of a search's trials, and the axes that its quantities are shown on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.measurements.register import quantity
from ablate.quantities import Quantity
from ablate.run.facts import TrialRecord
from ablate.statistics.front import hypervolume, not_beaten

_SMALLER = {"G": "M", "M": "k"}


@dataclass(frozen=True)
class Goal:
    """An objective: the quantity's name and where it should go."""

    name: str
    minimize: bool

    @property
    def sign(self) -> float:
        """1 where less is better, else -1."""
        return 1.0 if self.minimize else -1.0


@dataclass(frozen=True)
class Axis:
    """How a quantity of these trials is shown: the stored number over `scale`, under `title`."""

    quantity: Quantity
    scale: float
    title: str


def goals(objectives: Sequence[str]) -> list[Goal]:
    """`minimize macs` -> the goal. Raises `ValueError` when the direction is neither word."""
    parsed = []
    for objective in objectives:
        direction, _, name = objective.strip().partition(" ")
        if direction not in ("minimize", "maximize") or not name.strip():
            raise ValueError(f"an objective reads 'minimize macs' or 'maximize accuracy', got {objective!r}")
        parsed.append(Goal(quantity(name.strip()).name, direction == "minimize"))
    return parsed


def on_front(trials: Sequence[TrialRecord], named: Sequence[Goal]) -> list[TrialRecord]:
    """The feasible, finished trials that no other one beats, a network once."""
    usable = [
        trial
        for trial in trials
        if trial.feasible
        and not trial.repeats
        and trial.status == "done"
        and all(trial.metrics.get(goal.name) is not None for goal in named)
    ]
    points = [[goal.sign * float(trial.metrics[goal.name] or 0.0) for goal in named] for trial in usable]
    return [usable[index] for index in not_beaten(points)]


def axis_of(name: str, trials: Sequence[TrialRecord]) -> Axis:
    """The axis of a quantity; where its prefix is far too large for these trials, the next smaller one."""
    wanted = quantity(name)
    values = [value for trial in trials if (value := trial.metrics.get(name)) is not None]
    smaller = _SMALLER.get(wanted.unit)
    if smaller and values and max(values) < 0.01 * wanted.scale:
        return Axis(wanted, wanted.scale / 1000, f"{wanted.label} ({smaller})")
    return Axis(wanted, wanted.scale, wanted.title)


def volumes(trials: Sequence[TrialRecord], named: Sequence[Goal]) -> list[float]:
    """The hypervolume of the front after each trial, as a share of the box between the best and the worst
    value of every objective among all finished, feasible trials. 0 until two values of every
    objective differ.
    """
    points = [_point(trial, named) for trial in trials]
    usable = [point for point in points if point is not None]
    if not usable:
        return [0.0] * len(trials)
    best = [min(values) for values in zip(*usable, strict=True)]
    worst = [max(values) for values in zip(*usable, strict=True)]
    spans = [high - low for low, high in zip(best, worst, strict=True)]
    if not all(spans):
        return [0.0] * len(trials)
    curve: list[float] = []
    front: list[list[float]] = []
    for point in points:
        if point is None:
            curve.append(curve[-1] if curve else 0.0)
            continue
        front.append([(value - low) / span for value, low, span in zip(point, best, spans, strict=True)])
        front = [front[index] for index in not_beaten(front)]
        curve.append(hypervolume(front, [1.0] * len(named)))
    return curve


def _point(trial: TrialRecord, named: Sequence[Goal]) -> list[float] | None:
    """The objectives of a finished, feasible trial, all to be minimized."""
    values = [trial.metrics.get(goal.name) for goal in named]
    if not trial.feasible or trial.status != "done" or any(value is None for value in values):
        return None
    return [goal.sign * float(value or 0.0) for goal, value in zip(named, values, strict=True)]
