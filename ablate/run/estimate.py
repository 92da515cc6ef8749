"""How long cells will take: from the durations of like cells, else from their MACs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from ablate.errors import AblateError
from ablate.measurements.register import is_known, measurement
from ablate.run.executors.base import Executor
from ablate.run.facts import MachineFact
from ablate.run.history import Duration, durations
from ablate.run.inspect import known_summary
from ablate.run.ledger import FILE, Ledger
from ablate.run.prepare import study_job
from ablate.run.records import Cell, Json, plain
from ablate.study.study import Study

Macs = Callable[[str], float | None]
"""MACs of a layout at the study's resolution; None where they cannot be counted."""

_COUNT = "ablate.runners.complexity:run"
_COUNTED_SECONDS = 0.05  # a cell that is only counted, in a warm worker
_MACS_PER_SECOND = 2e10  # one core, where the machine's own peak is not known
_EFFICIENCY = 0.3  # the share of its peak that a network reaches
_MACS_PER_PIXEL = 2e4  # of a layout that cannot be counted: 1 G at 224 px
_MOST_LEDGERS = 50


@dataclass(frozen=True)
class Estimate:
    """The expected seconds of one cell, and what they were taken from."""

    seconds: float
    source: str


class Estimator:
    """Estimates from durations that are known.

    The best of these is used: the same layout under the same condition (seeds aside), others under the same
    condition in proportion to their MACs, the same measurement in proportion to MACs times images, and at
    last MACs times images over `rate` (MACs in a second).
    """

    def __init__(self, known: Iterable[Duration], macs: Macs, resolution: int, rate: float):
        self.macs, self.resolution, self.rate = macs, resolution, rate
        self._by_condition: dict[tuple[str, str], list[Duration]] = {}
        self._by_kind: dict[str, list[Duration]] = {}
        for duration in known:
            self._by_condition.setdefault(_place(duration.kind, duration.condition), []).append(duration)
            self._by_kind.setdefault(duration.kind, []).append(duration)
        self._rates: dict[str, float | None] = {}

    def of(self, cell: Cell) -> Estimate:
        """The expected time of a cell."""
        like = self._by_condition.get(_place(cell.kind, plain(cell.condition)), [])
        own = [duration.seconds for duration in like if duration.layout == cell.layout]
        if own:
            return Estimate(median(own), "the same cell")
        if measurement(cell.kind).where == "counted":
            counted = [duration.seconds for duration in self._by_kind.get(cell.kind, [])]
            return Estimate(median(counted) if counted else _COUNTED_SECONDS, "counted cells")
        if like:
            return Estimate(median(self._scaled(duration, cell) for duration in like), "like cells")
        work = self._work(self._density(cell.layout) or _MACS_PER_PIXEL, cell.kind, cell.condition)
        rate = self._rate(cell.kind)
        if rate is not None:
            return Estimate(work / rate, "cells of its kind")
        return Estimate(work / self.rate, "MACs")

    def _scaled(self, duration: Duration, cell: Cell) -> float:
        own, others = self._density(cell.layout), self._density_of(duration)
        return duration.seconds * (own / others if own and others else 1.0)

    def _density(self, layout: str) -> float | None:
        """MACs a pixel of one of the study's layouts."""
        macs = self.macs(layout)
        return macs / self.resolution**2 if macs else None

    def _density_of(self, duration: Duration) -> float | None:
        return self._density(duration.layout) or duration.density

    def _rate(self, kind: str) -> float | None:
        """MACs in a second of the cells of a kind that are done."""
        if kind not in self._rates:
            rates = []
            for duration in self._by_kind.get(kind, []):
                condition = _condition(kind, duration.condition)
                density = self._density_of(duration)
                if condition is not None and density is not None and duration.seconds > 0:
                    rates.append(self._work(density, kind, condition) / duration.seconds)
            self._rates[kind] = median(rates) if rates else None
        return self._rates[kind]

    def _work(self, density: float, kind: str, condition: Any) -> float:
        sides = (getattr(condition, name, None) for name in ("resolution", "side", "size"))
        side = next(filter(None, sides), self.resolution)
        return float(density * side**2 * measurement(kind).work(_sized(condition)))


def _sized(condition: Any) -> Any:
    """The condition that says how many training images there are, where it means all of a known set."""
    dataset = getattr(condition, "dataset", None)
    if dataset is None or getattr(condition, "subset", 0) is not None:
        return condition
    known = known_summary(dataset, condition.data_dir)
    images = None if known is None else known.images.get("train")
    return condition if images is None else condition.model_copy(update={"subset": images})


def estimator(study: Study, ledger: Ledger | None, folder: Path, executor: Executor) -> Estimator:
    """What is known of a study's times: its own ledger, those beside it, and its layouts' MACs.

    MACs are counted when they are first asked for.
    """
    known = durations(ledger) if ledger is not None else []
    fact = ledger.read(MachineFact) if ledger is not None else None
    for path in sorted(folder.resolve().parent.glob(f"*/{FILE}"))[:_MOST_LEDGERS]:
        if path.parent != folder.resolve():
            known += _of_other(path)
    peaks = [value.get("macs_per_second") for value in (fact.known.values() if fact is not None else ())]
    peak = max((float(peak) for peak in peaks if peak), default=_MACS_PER_SECOND / _EFFICIENCY)
    counted: dict[str, float | None] = {}

    def macs(layout: str) -> float | None:
        if not counted:
            counted.update(count_macs(study, executor))
        return counted.get(layout)

    return Estimator(known, macs, study.input.resolution, peak * _EFFICIENCY)


def count_macs(study: Study, executor: Executor) -> Mapping[str, float | None]:
    """The MACs of every layout of a study at its resolution."""
    condition: Json = {"resolution": study.input.resolution}
    jobs = [
        replace(study_job(study, _COUNT, [name]), kind="complexity", condition=condition, where="counted")
        for name in study.layouts
    ]
    return {
        next(iter(job.layouts)): float(outcome.values["macs"]) if outcome.values is not None else None
        for job, outcome in executor.run(jobs)
    }


def together(cells: Sequence[Cell], estimates: Sequence[Estimate], workers: int) -> float:
    """The seconds that cells take in all, those that share the machine side by side."""
    shared = sum(
        estimate.seconds
        for cell, estimate in zip(cells, estimates, strict=True)
        if measurement(cell.kind).where == "pool"
    )
    total = sum(estimate.seconds for estimate in estimates)
    return total - shared + shared / max(1, workers)


def _of_other(path: Path) -> list[Duration]:
    try:
        with Ledger(path, read_only=True) as ledger:
            return [
                replace(known, layout="") for known in durations(ledger)
            ]  # names mean other layouts there
    except AblateError:  # a ledger that cannot be read says nothing
        return []


def _place(kind: str, condition: Json) -> tuple[str, str]:
    return kind, str(sorted((key, str(value)) for key, value in condition.items() if key != "seed"))


def _condition(kind: str, stored: Json) -> Any:
    if not is_known(kind):
        return None
    model = measurement(kind).condition
    try:
        return model.model_validate(
            {key: value for key, value in stored.items() if key in model.model_fields}
        )
    except ValueError:  # a condition of an earlier version
        return None
