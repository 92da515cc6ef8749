"""What a proposal is worth: exact costs first, then the constraints, then training, if it is allowed any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any, Literal

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.settings import Model
from ablate.measurements.register import measurement, quantity
from ablate.quantities import Quantity
from ablate.run.execute import StudyWatch, run_study
from ablate.run.executors.base import Executor
from ablate.run.ledger import Ledger
from ablate.run.prepare import study_job
from ablate.run.records import Cell
from ablate.study.goals import Constraint, Objective, is_counted
from ablate.study.measure import measure_model, settings_of
from ablate.study.search import Search
from ablate.study.study import ReportOptions, Study

_COSTS = "ablate.runners.costs:run"
_FIRST = ("resolutions", "precision", "modes")


@dataclass
class Candidate:
    """A proposed layout and what is known of it. `failure` says why it has no values."""

    layout: Layout
    metrics: dict[str, float] = field(default_factory=dict)
    spread: float | None = None  # standard deviation over seeds of the first quantity that repeats
    failure: str = ""
    rungs: dict[int, float] = field(default_factory=dict)  # accuracy on the way, by training images
    stopped: int = 0  # the rung that stopped it

    @property
    def name(self) -> str:
        """The layout's name in the ledger: that of the first trial that proposed this network."""
        return self.layout.name

    def violations(self, constraints: Iterable[Constraint]) -> dict[str, float]:
        """How far each constraint on a known quantity is exceeded, relative to its bound; 0 or less holds."""
        return {
            str(bound): bound.violation(self.metrics[bound.metric])
            for bound in constraints
            if bound.metric in self.metrics
        }

    def within(self, constraints: Iterable[Constraint]) -> bool:
        """Whether all constraints on known quantities hold."""
        return all(excess <= 0 for excess in self.violations(constraints).values())

    def values(self, objectives: Iterable[Objective]) -> list[float]:
        """One value per objective; what is not known is infinitely bad."""
        worst = {"minimize": math.inf, "maximize": -math.inf}
        return [self.metrics.get(goal.metric, worst[goal.direction]) for goal in objectives]


def named_metrics(search: Search) -> set[str]:
    """The quantities that the search looks at."""
    return {goal.metric for goal in search.objectives} | {bound.metric for bound in search.constraints}


def counted_metrics(search: Search) -> set[str]:
    """Those of them that are exact costs."""
    return {name for name in named_metrics(search) if is_counted(quantity(name))}


def measured_metrics(search: Search) -> set[str]:
    """Those of them that are not counted: a candidate must be trained (or timed) for them."""
    return named_metrics(search) - counted_metrics(search)


def count_costs(candidates: Sequence[Candidate], study: Study, search: Search, executor: Executor) -> None:
    """Fill in the exact costs at the study's input; a layout that cannot be counted has failed."""
    layouts: dict[str, Network] = {candidate.name: candidate.layout for candidate in candidates}
    if not layouts:
        return
    names = sorted({"params", "macs", "flops"} | counted_metrics(search))
    condition = {"quantities": names, "resolution": study.input.resolution}
    there = replace(study, layouts=layouts)
    jobs = [
        replace(study_job(there, _COSTS, [name]), condition=condition, where="counted") for name in layouts
    ]
    outcomes = {next(iter(job.layouts)): outcome for job, outcome in executor.run(jobs)}
    for candidate in candidates:
        outcome = outcomes[candidate.name]
        if outcome.values is None:
            candidate.failure = f"cannot be counted: {outcome.reason}"
        else:
            candidate.metrics |= {name: float(value) for name, value in outcome.values.items()}


def measure(
    candidates: Iterable[Candidate],
    study: Study,
    ledger: Ledger,
    layouts: Mapping[str, Layout],
    *,
    executor: Executor,
    watch: StudyWatch,
) -> None:
    """Train and time the candidates: the cells that `ablate run` would plan, kept in the same ledger.

    `layouts` are all layouts measured so far with these among them; what the ledger holds is looked up. A
    candidate with a failed cell has failed, with the cell's reason.
    """
    assert study.search is not None
    wanted = measured_metrics(study.search)
    needed = needed_measures(study, wanted).model_copy(update={"complexity": None})
    run_study(selected(study, layouts, needed), ledger, executor, watch, command="search")
    read(candidates, ledger, {name: quantity(name) for name in sorted(wanted)})


def measure_rung(
    candidates: Iterable[Candidate],
    stopped: Study,
    ledger: Ledger,
    *,
    executor: Executor,
    watch: StudyWatch,
) -> None:
    """Train the candidates up to a rung; `stopped` is the study of them, stopped there.

    Their accuracy is then that on the way.
    """
    run_study(stopped, ledger, executor, watch, selected=_on_a_rung, command="search")
    read(candidates, ledger, {"accuracy": quantity("rung_accuracy")})


def _on_a_rung(cell: Cell) -> bool:
    return cell.kind == "rung"


def read(candidates: Iterable[Candidate], ledger: Ledger, wanted: Mapping[str, Quantity]) -> None:
    """Fill in quantities of finished cells: the mean over seeds, and the spread of the first that repeats."""
    kinds = {entry.kind for entry in wanted.values()}
    by_layout: dict[str, list[Any]] = {}
    for record in ledger.records():
        if record.kind in kinds:
            by_layout.setdefault(record.layout, []).append(record)
    for candidate in candidates:
        records = by_layout.get(candidate.name, [])
        undone = [record for record in records if record.state != "done"]
        if undone:
            candidate.failure = f"{undone[0].status}: {undone[0].reason}"
            continue
        for name, entry in wanted.items():
            values = [entry.value(record.values) for record in records if record.kind == entry.kind]
            if not values or any(math.isnan(value) for value in values):
                candidate.failure = f"error: it has no {name}"
                continue
            candidate.metrics[name] = fmean(values) if entry.repeats else values[0]
            if entry.repeats and len(values) > 1:
                candidate.spread = stdev(values)


def judged_on(study: Study, split: Literal["validation", "test"]) -> Study:
    """The study whose trained networks are judged on this split, where their measurement has a choice.

    What a search chooses by is never the test split: its trials are judged on validation images.
    """
    given = {name: getattr(study.measure, name) for name in type(study.measure).model_fields}
    changed = {
        name: settings.model_copy(update={"judge": split})
        for name, settings in given.items()
        if hasattr(settings, "judge")
    }
    return replace(study, measure=study.measure.model_copy(update=changed))


def selected(study: Study, layouts: Mapping[str, Layout], measures: Model) -> Study:
    """The study of these layouts and measurements alone."""
    return replace(
        study,
        layouts=dict(layouts),
        match=None,
        budgets={},
        measure=measures,
        report=ReportOptions(),
        warnings=(),
    )


def needed_measures(study: Study, metrics: set[str]) -> Model:
    """The part of a study's measurements that these quantities come from; of a timed one the first condition.

    Raises `AblateError` when the study does not say how to measure one (`load_study` says it with a place).
    """
    asked = settings_of(study.measure)
    model = measure_model()
    complexity = measurement("complexity").settings
    sections: dict[str, Any] = {"complexity": complexity(resolutions=(study.input.resolution,))}
    for name in metrics:
        kind = quantity(name).kind
        if kind == "complexity":
            continue
        if kind not in asked:
            raise AblateError(f"the search needs {name}, but `measure` has no section {kind!r}")
        settings = asked[kind]
        given = {key: getattr(settings, key, None) for key in _FIRST}
        first = {key: value[:1] for key, value in given.items() if isinstance(value, tuple)}
        sections[kind] = settings.model_copy(update=first)
    return model().model_copy(update=sections)
