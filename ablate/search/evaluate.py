"""What a proposal is worth: exact costs first, then the constraints, then training, if it is allowed any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

from ablate.cost import layout_cost
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.execute import Watch, run_study
from ablate.run.ledger import Ledger
from ablate.study.goals import COUNTED, Constraint, Metric, Objective
from ablate.study.measures import Complexity, Measure
from ablate.study.study import ReportOptions, Search, Study


@dataclass
class Candidate:
    """A proposed layout and what is known of it. `failure` says why it has no values."""

    layout: Layout
    metrics: dict[Metric, float] = field(default_factory=dict)
    spread: float | None = None  # standard deviation of the accuracy over seeds
    failure: str = ""

    @property
    def name(self) -> str:
        """The layout's name in the ledger: that of the first trial that proposed this network."""
        return self.layout.name

    def violations(self, constraints: Iterable[Constraint]) -> dict[str, float]:
        """How far each constraint on a known metric is exceeded, relative to its bound; 0 or less holds."""
        return {
            str(one): one.violation(self.metrics[one.metric])
            for one in constraints
            if one.metric in self.metrics
        }

    def within(self, constraints: Iterable[Constraint]) -> bool:
        """Whether all constraints on known metrics hold."""
        return all(excess <= 0 for excess in self.violations(constraints).values())

    def values(self, objectives: Iterable[Objective]) -> list[float]:
        """One value per objective; what is not known is infinitely bad."""
        worst = {"minimize": math.inf, "maximize": -math.inf}
        return [self.metrics.get(one.metric, worst[one.direction]) for one in objectives]


def named_metrics(search: Search) -> set[Metric]:
    """The metrics that the search looks at."""
    return {goal.metric for goal in search.objectives} | {bound.metric for bound in search.constraints}


def measured_metrics(search: Search) -> set[Metric]:
    """Those of them that are not counted: a candidate must be trained (or timed) for them."""
    return named_metrics(search) - COUNTED


def count_costs(candidate: Candidate, study: Study, search: Search) -> None:
    """Fill in the exact costs at the study's input; a layout that cannot be counted has failed.

    `memory` is what `match` takes it to be: bytes of the weights and of the predicted peak of one inference
    on one image, with a fused attention kernel.
    """
    try:
        cost = layout_cost(
            candidate.layout,
            study.input.resolution,
            channels=study.input.channels,
            classes=study.input.classes,
        )
    except AblateError as error:
        candidate.failure = f"cannot be counted: {str(error).strip().partition(chr(10))[0]}"
        return
    candidate.metrics |= {
        "params": float(cost.params),
        "macs": float(cost.macs),
        "flops": float(cost.flops),
    }
    if "memory" in named_metrics(search):  # it takes longer than all the rest
        memory = cost.memory_of("fused")
        candidate.metrics["memory"] = float(memory.weights + memory.inference_peak)


def measure(
    candidates: Iterable[Candidate],
    study: Study,
    ledger: Ledger,
    layouts: Mapping[str, Layout],
    *,
    workers: int | None,
    timeout: float | None,
    watch: Watch,
) -> None:
    """Train and time the candidates: the cells that `ablate run` would plan, kept in the same ledger.

    `layouts` are all layouts measured so far with these among them; what the ledger holds is looked up. A
    candidate with a failed cell has failed, with the cell's reason.
    """
    assert study.search is not None
    needed = needed_measures(study, measured_metrics(study.search)).model_copy(update={"complexity": None})
    run_study(selected(study, layouts, needed), ledger, workers=workers, timeout=timeout, watch=watch)
    frame = ledger.frame()
    for candidate in candidates:
        rows = frame[frame["layout"] == candidate.name]
        failed = rows[rows["status"] != "done"]
        if len(failed):
            candidate.failure = f"{failed.iloc[0]['status']}: {failed.iloc[0]['reason']}"
            continue
        accuracies = [float(values["top1"]) for values in rows[rows["kind"] == "accuracy"]["values"]]
        if accuracies:
            candidate.metrics["accuracy"] = fmean(accuracies)
            candidate.spread = stdev(accuracies) if len(accuracies) > 1 else None
        for values in rows[rows["kind"] == "throughput"]["values"]:
            candidate.metrics["latency"] = float(values["latency_ms"])


def selected(study: Study, layouts: Mapping[str, Layout], measures: Measure) -> Study:
    """The study of these layouts and measurements alone."""
    return replace(
        study, layouts=dict(layouts), match=None, measure=measures, report=ReportOptions(), warnings=()
    )


def needed_measures(study: Study, metrics: set[Metric]) -> Measure:
    """The part of a study's measurements that these metrics come from; for a latency the first condition.

    Raises `AblateError` when the study does not say how to measure one (`load_study` says it with a place).
    """
    accuracy, throughput = study.measure.accuracy, study.measure.throughput
    if "accuracy" in metrics and accuracy is None:
        raise AblateError("the search needs accuracy, but `measure` does not say how to train")
    if "latency" in metrics and throughput is None:
        raise AblateError("the search needs latency, but `measure` does not say how to time")
    first = {"resolutions", "precision", "modes"}
    return Measure(
        complexity=Complexity(resolutions=(study.input.resolution,)),
        accuracy=accuracy if "accuracy" in metrics else None,
        throughput=throughput.model_copy(update={key: getattr(throughput, key)[:1] for key in first})
        if throughput is not None and "latency" in metrics
        else None,
    )
