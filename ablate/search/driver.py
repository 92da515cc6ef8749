"""The search itself: propose layouts, count them, train those within the constraints, tell the sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from optuna.trial import Trial

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor
from ablate.run.facts import SearchFact
from ablate.run.ledger import FILE, Ledger
from ablate.run.lock import only_writer
from ablate.run.plan import plan
from ablate.run.records import digest
from ablate.search.evaluate import (
    Candidate,
    count_costs,
    measure,
    measured_metrics,
    needed_measures,
    selected,
)
from ablate.search.results import best_study, pareto_front, trial_frame, trial_records
from ablate.search.space import SearchSpace
from ablate.search.store import Store, is_feasible
from ablate.study.study import Search, Study

# Called as watch(trials done (fractions count), trials in all).
SearchWatch = Callable[[float, int], None]


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
    executor: Executor,
    trials: int | None = None,
    watch: SearchWatch = lambda done, total: None,
) -> SearchResult:
    """Search until the store holds `trials` settled trials (default: the file's number), and write the front.

    Writes `out/search.sqlite` (Optuna's store), `out/ledger.sqlite` (the cells) and `out/best.yaml`. A search
    that was stopped goes on where it was; cells that the ledger holds are not run again. Trials are proposed
    `search.batch` at a time and trained side by side by the executor; how many workers it has does not change
    what is proposed.

    An infeasible trial is complete in the store, with its constraints (the excess over the bound, relative to
    it), its costs, and an infinitely bad value for what would have needed training: TPE and NSGA-II both rank
    by feasibility before they look at values, so that they learn the bounds and never see the infinity. A
    trial whose training failed has no values, and is a failed one, with its reason.

    Raises `LayoutError` for a space without layouts, `AblateError` when the folder holds another search.
    """
    if study.search is None:
        raise AblateError(f"{study.path or study.name} has no `search` section")
    space = SearchSpace.of(study)
    total = trials if trials is not None else study.search.trials
    made_of = _made_of(study, study.search, space)
    with only_writer(out), Ledger(out / FILE) as ledger:
        store = Store(out / "search.sqlite", study.search, space.distributions, made_of)
        try:
            run = _Run(study, study.search, space, store, ledger, executor)
            run.until(total, watch)
            return run.results(out / "best.yaml", total)
        finally:
            store.close()


class _Run:
    """One run of a search: what is proposed, by which trial first, and what has been measured."""

    def __init__(
        self,
        study: Study,
        search: Search,
        space: SearchSpace,
        store: Store,
        ledger: Ledger,
        executor: Executor,
    ):
        self.study, self.search, self.space = study, search, space
        self.store, self.ledger, self.executor = store, ledger, executor
        self.names: dict[Layout, str] = {}  # every network proposed, named after its first trial
        self.measured: dict[str, Layout] = {}
        self.wanted = measured_metrics(search)
        for trial in store.settled():
            layout = space.layout(trial.params, trial.user_attrs["name"])
            self.names.setdefault(layout, layout.name)
            if self.wanted and is_feasible(trial):
                self.measured.setdefault(layout.name, layout)

    def until(self, total: int, watch: SearchWatch) -> None:
        """Settle trials until there are `total`.

        Batches begin at multiples of the batch size, however often the search was stopped, so that the
        sampler always knows as much as it would have known without the stop.
        """
        size = self.search.batch if self.wanted else 1
        done = len(self.store.settled())
        watch(done, total)
        while done < total:
            count = min(size - done % size, total - done)
            self.batch(count, _Progress(watch, done, count, total))
            done += count
            watch(done, total)

    def batch(self, count: int, progress: _Progress) -> None:
        """Propose `count` trials, measure those that may be, and settle all of them."""
        pairs = [self.propose() for _ in range(count)]
        count_costs([candidate for _, candidate in pairs], self.study, self.search, self.executor)
        allowed = [
            candidate
            for _, candidate in pairs
            if not candidate.failure and candidate.within(self.search.constraints)
        ]
        if allowed and self.wanted:
            self.measured |= {candidate.name: candidate.layout for candidate in allowed}
            measure(
                allowed,
                self.study,
                self.ledger,
                self.measured,
                executor=self.executor,
                watch=progress.cells,
            )
        for trial, candidate in pairs:
            self.settle(trial, candidate)

    def propose(self) -> tuple[Trial, Candidate]:
        """Ask for a trial; a network that was proposed before keeps its first name."""
        trial = self.store.ask()
        layout = self.space.layout(trial.params, f"trial-{trial.number}")
        name = self.names.setdefault(layout, layout.name)
        return trial, Candidate(layout if name == layout.name else self.space.layout(trial.params, name))

    def settle(self, trial: Trial, candidate: Candidate) -> None:
        """Write what is known of a candidate into the store and end its trial."""
        trial.set_user_attr("name", candidate.name)
        trial.set_user_attr("metrics", candidate.metrics)
        if candidate.spread is not None:
            trial.set_user_attr("spread", candidate.spread)
        if candidate.failure:
            self.store.fail(trial, candidate.failure)
            return
        for text, excess in candidate.violations(self.search.constraints).items():
            trial.set_constraint(text, excess)
        self.store.tell(trial, candidate.values(self.search.objectives))

    def results(self, path: Path, total: int) -> SearchResult:
        """The frames; the best layouts go to `path`, the trials to the ledger, where a report finds them.

        The ledger's plan becomes that of the front alone, so that a report shows the front.
        """
        layouts = {name: layout for layout, name in self.names.items()}
        frame = trial_frame(self.store.settled(), layouts)
        front = pareto_front(frame, self.search.objectives)
        best = {str(name): layouts[str(name)] for name in front["name"]}
        path.unlink(missing_ok=True)
        if best:
            shown = needed_measures(self.study, self.wanted - {"latency"})
            run_study(selected(self.study, best, shown), self.ledger, self.executor, command="search")
            path.write_text(best_study(self.study, self.search, best, path), encoding="utf-8")
        objectives = tuple(str(goal) for goal in self.search.objectives)
        self.ledger.write(SearchFact(objectives, tuple(trial_records(self.store.settled(), layouts))))
        size = self.space.size
        warnings = [f"{total} trials in a space of {size}: some are proposed again"] if total > size else []
        return SearchResult(front, frame, path if best else None, tuple(warnings))


class _Progress:
    """Cells of a batch as a part of all trials.

    It never goes back, as the sum of fractions does when a cell ends while others run.
    """

    def __init__(self, watch: SearchWatch, done: int, count: int, total: int):
        self.watch, self.done, self.count, self.total = watch, done, count, total
        self.part = 0.0

    def cells(self, kind: str, cells: float, todo: int) -> None:
        """Show that `cells` of the `todo` measured ones are finished."""
        if kind != "complexity" and todo:
            self.part = max(self.part, cells / todo)
            self.watch(self.done + self.part * self.count, self.total)


def _made_of(study: Study, search: Search, space: SearchSpace) -> str:
    """A hash of what the trials depend on: the search, its space, and the keys of cells that between them use
    every block at every width. A key changes with the layout, the protocol, the code and torch."""
    layouts = {layout.name: layout for layout in space.samples()}
    measures = needed_measures(study, measured_metrics(search))
    keys = [cell.key for cell in plan(selected(study, layouts, measures))]
    goals = [
        *map(str, search.objectives),
        *((bound.metric, bound.op, bound.value) for bound in search.constraints),
    ]
    return digest([goals, search.sampler, search.seed, search.batch, dict(space.choices), keys])
