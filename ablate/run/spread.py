"""Studies about a study: where its accuracies' spread comes from; whether it ranks as a longer one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, did_you_mean
from ablate.layout.settings import Model
from ablate.measurements.accuracy_protocol import Judged
from ablate.measurements.register import quantity
from ablate.measurements.variance import COMPONENTS, Variance
from ablate.run.execute import StudyWatch, run_study, unwatched
from ablate.run.executors.base import Executor
from ablate.run.ledger import FILE, Ledger
from ablate.statistics.rank import RankAgreement, rank_agreement
from ablate.statistics.variance import EVERYTHING, Component, variance_components, variance_runs
from ablate.study.study import Study

Values = dict[str, dict[int, float]]


class _Only(Model):
    """A section `measure` with one measurement."""

    variance: Variance | None = None


def variance_of(
    study: Study,
    layout: str,
    folder: Path,
    executor: Executor,
    watch: StudyWatch = unwatched,
    *,
    runs: int = 5,
    groups: int = 1,
) -> tuple[Component, ...]:
    """The standard deviations of a layout's top-1 by source of chance, from runs kept in `folder`.

    Raises `AblateError` for an unknown layout, for a study without accuracies, and where runs have failed.
    """
    accuracy = _accuracy(study)
    if layout not in study.layouts:
        raise AblateError(f"unknown layout {layout!r}{did_you_mean(layout, tuple(study.layouts))}")
    asked = Variance(**accuracy.shared(Judged), runs=runs, groups=groups)
    alone = replace(
        study, layouts={layout: study.layouts[layout]}, measure=_Only(variance=asked), ablations=(),
        ladders=(), expectations=(), report=study.report.model_copy(update={"baseline": layout}),
    )  # fmt: skip
    with Ledger(folder / FILE) as ledger:
        summary = run_study(alone, ledger, executor, watch, retry_failed=True, command="variance")
        if summary.failed:
            reason = next(record.reason for record in ledger.records() if record.failure is not None)
            raise AblateError(f"{summary.failed} runs failed ({reason}); a spread needs all of them")
        top1 = {record.condition.seeds: record.values.top1 for record in ledger.records() if record.values}
    everything: list[float] = []
    groups_of: dict[str, list[list[float]]] = {name: [[] for _ in range(groups)] for name in COMPONENTS}
    for run in variance_runs(COMPONENTS, runs, groups):
        value = top1[tuple(run.seeds[name] for name in COMPONENTS)]
        (everything if run.varies == EVERYTHING else groups_of[run.varies][run.group]).append(value)
    return variance_components(everything, groups_of)


def rank_of(
    study: Study, budgets: Sequence[float], folder: Path, executor: Executor, watch: StudyWatch = unwatched
) -> RankAgreement:
    """How a short and a long schedule, in epochs, rank the study's layouts; both are kept below `folder`.

    The study's own ledger serves for its own budget. Raises `AblateError` for a study without accuracies, for
    a budget that is not in epochs, or for fewer than two layouts with values under both.
    """
    accuracy = _accuracy(study)
    if accuracy.epochs is None:
        raise AblateError("rank compares budgets in epochs; the study gives another one")
    if not budgets[0] < budgets[1]:
        raise AblateError(f"the long schedule must be longer than the short one of {budgets[0]:g} epochs")
    short, long = (_values(study, epochs, folder, executor, watch) for epochs in budgets)
    if sum(bool(short[name]) and bool(long[name]) for name in study.layouts) < 2:
        raise AblateError("fewer than two layouts have accuracies under both budgets")
    return rank_agreement(short, long)


def _values(study: Study, epochs: float, folder: Path, executor: Executor, watch: StudyWatch) -> Values:
    own = epochs == study.measure.accuracy.epochs
    measure = study.measure
    if not own:
        changed = measure.accuracy.model_copy(update={"epochs": float(epochs)})
        empty: dict[str, Any] = dict.fromkeys(type(measure).model_fields)
        measure = measure.model_copy(update=empty | {"accuracy": changed})
    place = folder if own else folder / f"epochs-{epochs:g}"
    with Ledger(place / FILE) as ledger:
        run_study(
            replace(study, measure=measure), ledger, executor, watch,
            selected=lambda cell: cell.kind == "accuracy",
        )  # fmt: skip
        values: Values = {name: {} for name in study.layouts}
        for record in ledger.records():
            if record.kind == "accuracy" and record.values is not None:
                values[record.layout][int(record.at("seed"))] = quantity("accuracy").value(record.values)
    return values


def _accuracy(study: Study) -> Any:
    accuracy = getattr(study.measure, "accuracy", None)
    if accuracy is None:
        raise AblateError(f"{study.path or study.name} measures no accuracy")
    return accuracy
