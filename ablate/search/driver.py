"""The search itself: propose layouts, count them, train those within the constraints, tell the sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, Trial

from ablate.layout.layout import Layout
from ablate.layout.study import Study
from ablate.run.cell import digest
from ablate.run.execute import run_study
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.search.evaluate import (
    Candidate,
    count_costs,
    measure,
    measured_metrics,
    needed_measures,
    selected,
)
from ablate.search.results import COLUMNS, best_study, describe, pareto_front
from ablate.search.space import SearchSpace
from ablate.search.store import REASON, Store, only_one

# Called as watch(trials done (fractions count), trials in all).
SearchWatch = Callable[[float, int], None]

_METRICS = "metrics"  # attribute of a trial: what is known of its layout, whether or not it is an objective
_SPREAD = "spread"
_NAME = "name"


@dataclass(frozen=True)
class SearchResult:
    """The Pareto front and all trials, one row each, in raw units (bytes, percent, milliseconds).

    `best_yaml` holds the front's layouts as a study; it is None when no trial kept to the constraints.
    """

    front: pd.DataFrame
    trials: pd.DataFrame
    best_yaml: Path | None
    warnings: tuple[str, ...] = ()


def run_search(
    study: Study,
    out: Path,
    *,
    trials: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    watch: SearchWatch = lambda done, total: None,
) -> SearchResult:
    """Search until the store holds `trials` settled trials (default: the file's number), and write the front.

    Writes `out/search.sqlite` (Optuna's store), `out/ledger.sqlite` (the cells) and `out/best.yaml`. A search
    that was stopped goes on where it was; cells that the ledger holds are not run again. Trials are proposed
    `search.batch` at a time and trained side by side on `workers` processes; how many workers there are does
    not change what is proposed.

    An infeasible trial is complete in the store, with its constraints (the excess over the bound, relative to
    it), its costs, and an infinitely bad value for what would have needed training: TPE and NSGA-II both rank
    by feasibility before they look at values, so that they learn the bounds and never see the infinity. A
    trial whose training failed has no values, and is a failed one, with its reason.

    Raises `LayoutError` for a space without layouts, `AblateError` when the folder holds another search.
    """
    assert study.search is not None, "the study has no search section"
    needed_measures(study, measured_metrics(study.search))
    space = SearchSpace.of(study)
    total = trials if trials is not None else study.search.trials
    with only_one(out), Ledger(out / "ledger.sqlite") as ledger:
        store = Store(out / "search.sqlite", study.search, space.distributions, _made_of(study, space))
        try:
            search = _Search(study, space, store, ledger, workers, timeout)
            search.restore()
            search.run(total, watch)
            return search.results(out / "best.yaml", total)
        finally:
            store.close()


@dataclass
class _Search:
    study: Study
    space: SearchSpace
    store: Store
    ledger: Ledger
    workers: int | None
    timeout: float | None
    names: dict[Layout, str] = field(default_factory=dict)  # every network proposed, by its first trial
    measured: dict[str, Layout] = field(default_factory=dict)

    def restore(self) -> None:
        """Read the networks of earlier runs back from the store."""
        for trial in self.store.settled():
            layout = self.space.layout(trial.params, trial.user_attrs[_NAME])
            self.names.setdefault(layout, layout.name)
            if self.must_measure and _is_feasible(trial):
                self.measured.setdefault(layout.name, layout)

    @property
    def must_measure(self) -> bool:
        """Whether a candidate has to be trained or timed."""
        assert self.study.search is not None
        return bool(measured_metrics(self.study.search))

    def run(self, total: int, watch: SearchWatch) -> None:
        """Settle trials until there are `total`.

        Batches begin at multiples of the batch size, however often the search was stopped, so that the
        sampler always knows as much as it would have known without the stop.
        """
        assert self.study.search is not None
        size = self.study.search.batch if self.must_measure else 1
        done = len(self.store.settled())
        watch(done, total)
        while done < total:
            count = min(size - done % size, total - done)
            settle = self.batch(count, lambda part, n=count, at=done: watch(at + part * n, total))  # type: ignore[misc]
            done += settle
            watch(done, total)

    def batch(self, count: int, progress: Callable[[float], None]) -> int:
        """Propose and settle `count` trials."""
        assert self.study.search is not None
        pairs = [self.propose() for _ in range(count)]
        constraints = self.study.search.constraints
        worth = [
            candidate
            for _, candidate in pairs
            if not candidate.failure and all(v <= 0 for v in candidate.violations(constraints).values())
        ]
        if worth and self.must_measure:
            self.measured |= {one.name: one.layout for one in worth}
            measure(
                worth,
                self.study,
                self.ledger,
                self.measured,
                workers=self.workers,
                timeout=self.timeout,
                watch=lambda kind, done, todo: progress(done / todo if kind == "accuracy" and todo else 0.0),
            )
        for trial, candidate in pairs:
            self.settle(trial, candidate)
        return count

    def propose(self) -> tuple[Trial, Candidate]:
        """Ask for a trial and count what its layout costs."""
        trial = self.store.ask()
        layout = self.space.layout(trial.params, f"trial-{trial.number}")
        name = self.names.setdefault(layout, layout.name)
        candidate = Candidate(layout if name == layout.name else self.space.layout(trial.params, name))
        count_costs(candidate, self.study)
        return trial, candidate

    def settle(self, trial: Trial, candidate: Candidate) -> None:
        """Write a candidate into the store and end its trial."""
        assert self.study.search is not None
        search = self.study.search
        trial.set_user_attr(_NAME, candidate.name)
        trial.set_user_attr(_METRICS, candidate.metrics)
        if candidate.spread is not None:
            trial.set_user_attr(_SPREAD, candidate.spread)
        if candidate.failure:
            self.store.fail(trial, candidate.failure)
            return
        for text, excess in candidate.violations(search.constraints).items():
            trial.set_constraint(text, excess)
        self.store.tell(trial, candidate.values(search.objectives))

    def results(self, path: Path, total: int) -> SearchResult:
        """The frames; the best layouts go to `path`, the trials to the ledger, where a report finds them.

        The ledger's plan becomes that of the front alone, so that a report shows the front.
        """
        assert self.study.search is not None
        objectives = self.study.search.objectives
        layouts = {name: layout for layout, name in self.names.items()}
        frame = _frame(self.store.settled(), layouts)
        front = pareto_front(frame, objectives)
        self.ledger.set_fact(
            "search",
            {
                "objectives": [str(one) for one in objectives],
                "trials": frame.astype(object).where(frame.notna(), None).to_dict("records"),
            },
        )
        path.unlink(missing_ok=True)
        best = {name: layouts[name] for name in front["name"]}
        if best:
            shown = needed_measures(self.study, measured_metrics(self.study.search) - {"latency"})
            run_study(selected(self.study, best, shown), self.ledger, workers=self.workers)
            path.write_text(best_study(self.study, best, path), encoding="utf-8")
        return SearchResult(front, frame, path if best else None, self.warnings(total))

    def warnings(self, total: int) -> tuple[str, ...]:
        """What the user should know about the size of the space."""
        if total <= self.space.size:
            return ()
        return (f"{total} trials in a space of {self.space.size} choices: some are proposed again",)


def _frame(trials: Iterable[FrozenTrial], layouts: dict[str, Layout]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for trial in trials:
        name = str(trial.user_attrs[_NAME])
        failed = REASON in trial.user_attrs
        feasible = not failed and _is_feasible(trial)
        broken = [text for text, excess in trial.constraints.items() if excess > 0]
        rows.append(
            {
                "number": trial.number,
                "name": name,
                "status": "failed" if failed else "done" if feasible else "infeasible",
                "feasible": feasible,
                "repeats": name in seen,
                "text": describe(layouts[name]),
                "widths": " ".join(map(str, layouts[name].widths)),
                "depths": " ".join(map(str, layouts[name].depths)),
                **trial.user_attrs.get(_METRICS, {}),
                "spread": trial.user_attrs.get(_SPREAD),
                "reason": trial.user_attrs.get(REASON, "; ".join(f"not {text}" for text in broken)),
            }
        )
        seen.add(name)
    return pd.DataFrame(rows, columns=COLUMNS)


def _is_feasible(trial: FrozenTrial) -> bool:
    return REASON not in trial.user_attrs and all(excess <= 0 for excess in trial.constraints.values())


def _made_of(study: Study, space: SearchSpace) -> str:
    """A hash of what the trials depend on: the search, its space, and the keys of cells that between them use
    every block at every width. A key changes with the layout, the protocol, the code and torch."""
    assert study.search is not None
    layouts = {layout.name: layout for layout in space.samples()}
    measures = needed_measures(study, measured_metrics(study.search))
    sampled = selected(study, layouts, measures)
    search = study.search
    goals = [*map(str, search.objectives), *((one.metric, one.op, one.value) for one in search.constraints)]
    how = [goals, search.sampler, search.seed, search.batch]
    return digest([how, dict(space.choices), [cell.key for cell in plan(sampled)]])
