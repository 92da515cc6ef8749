"""The search itself: propose layouts, count them, train those within the constraints, tell the sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from optuna.storages import BaseStorage

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor
from ablate.run.facts import SearchFact
from ablate.run.ledger import FILE, Ledger
from ablate.run.lock import only_writer
from ablate.run.plan import plan
from ablate.run.records import digest
from ablate.run.search_facts import CourseFact, EndFact
from ablate.search.course import course_of, remarks
from ablate.search.end import retrain
from ablate.search.evaluate import (
    Candidate,
    count_costs,
    judged_on,
    measure,
    measured_metrics,
    needed_measures,
    selected,
)
from ablate.search.halving import Halving
from ablate.search.propose import Point, Proposer
from ablate.search.results import best_study, pareto_front, trial_frame, trial_records
from ablate.search.space import SearchSpace
from ablate.search.store import FILE as STORE
from ablate.search.store import STOPPED, Store, is_feasible
from ablate.study.search import Search
from ablate.study.study import Study

# Called as watch(trials done (fractions count), trials in all).
SearchWatch = Callable[[float, int], None]


@dataclass(frozen=True)
class SearchResult:
    """The Pareto front and all trials, one row each, in raw units (bytes, percent, milliseconds).

    `best_yaml` holds the front's layouts as a study; it is None when no trial kept to the constraints.
    `course` says how the search went, `end` how its best layouts did when they were trained again, and
    `remarks` both in words.
    """

    front: pd.DataFrame
    trials: pd.DataFrame
    best_yaml: Path | None
    course: CourseFact
    end: EndFact | None = None
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def run_search(
    study: Study,
    out: Path,
    *,
    executor: Executor,
    trials: int | None = None,
    watch: SearchWatch = lambda done, total: None,
    storage: str | BaseStorage | None = None,
) -> SearchResult:
    """Search until the store holds `trials` settled trials (default: the file's number), and write the front.

    Writes `out/search.sqlite` (Optuna's store; or `storage`, else the file's `storage`, any URL or storage of
    Optuna's), `out/ledger.sqlite` (the cells) and `out/best.yaml`. A search that was stopped goes on where it
    was; cells that the ledger holds are not run again. Trials are proposed `search.batch` at a time and
    trained side by side by the executor; how many workers it has does not change what is proposed.

    What an exact bound refuses and what was proposed before uses up no trial. A trial that breaks a bound on
    something measured is complete in the store, with its constraints (the excess over the bound, relative to
    it). A trial whose training failed has no values, and is a failed one, with its reason. A trial that a
    rung stopped has the values of that rung.

    Trials are judged on validation images; what is trained again at the end on the test split too.

    Raises `LayoutError` for a space without layouts, `AblateError` when the folder holds another search.
    """
    if study.search is None:
        raise AblateError(f"{study.path or study.name} has no `search` section")
    study = judged_on(study, "validation")
    assert study.search is not None
    space = SearchSpace.of(study)
    total = trials if trials is not None else study.search.trials
    made_of = _made_of(study, study.search, space)
    where = storage or study.search.storage
    with only_writer(out), Ledger(out / FILE) as ledger:
        store = Store(
            where or out / STORE,
            study.search,
            space.distributions,
            made_of,
            name=study.name if where else "search",
        )
        try:
            run = _Run(study, study.search, space, store, ledger, executor)
            exhausted = run.until(total, watch)
            return run.results(out / "best.yaml", exhausted)
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
        self.proposer = Proposer(space, store, search, self.count)
        self.measured: dict[str, Layout] = {}
        self.wanted = measured_metrics(search)
        self.halving = Halving(study, search.rungs, ledger, executor) if search.rungs is not None else None
        for trial in store.settled():
            layout = space.layout(trial.params, trial.user_attrs["name"])
            if self.wanted and is_feasible(trial) and STOPPED not in trial.user_attrs:
                self.measured.setdefault(layout.name, layout)
            if self.halving is not None:
                self.halving.remember(layout, trial.user_attrs)

    def count(self, candidates: Sequence[Candidate]) -> None:
        """Fill in exact costs."""
        count_costs(candidates, self.study, self.search, self.executor)

    def until(self, total: int, watch: SearchWatch) -> bool:
        """Settle trials until there are `total`; whether the space ended before.

        Batches begin at multiples of the batch size, however often the search was stopped, so that the
        sampler always knows as much as it would have known without the stop.
        """
        size = self.search.batch if self.wanted else 1
        done = len(self.store.settled())
        watch(done, total)
        while done < total:
            count = min(size - done % size, total - done)
            settled = self.batch(count, _Progress(watch, done, count, total))
            done += settled
            if settled < count:
                return True
            watch(done, total)
        return False

    def batch(self, count: int, progress: _Progress) -> int:
        """Propose `count` trials, measure those that may be, and settle all of them; how many there were."""
        points: list[Point] = []
        while len(points) < count and (point := self.proposer.next()) is not None:
            points.append(point)
        allowed = [point.candidate for point in points if not point.candidate.failure]
        if allowed and self.wanted:
            if self.halving is not None:
                allowed = self.halving.survivors(allowed, progress.cells)
            self.measured |= {candidate.name: candidate.layout for candidate in allowed}
            if allowed:
                measure(
                    allowed,
                    self.study,
                    self.ledger,
                    self.measured,
                    executor=self.executor,
                    watch=progress.cells,
                )
        for point in points:
            self.proposer.refuse(point.refused)
            self.settle(point)
        return len(points)

    def settle(self, point: Point) -> None:
        """Write what is known of a candidate into the store and end its trial."""
        trial, candidate = point.trial, point.candidate
        trial.set_user_attr("name", candidate.name)
        trial.set_user_attr("metrics", candidate.metrics)
        if candidate.spread is not None:
            trial.set_user_attr("spread", candidate.spread)
        if candidate.rungs:
            trial.set_user_attr("rungs", {str(images): value for images, value in candidate.rungs.items()})
        if candidate.failure:
            self.store.fail(trial, candidate.failure)
            return
        if candidate.stopped:
            trial.set_user_attr(STOPPED, candidate.stopped)
        for text, excess in candidate.violations(self.search.constraints).items():
            trial.set_constraint(text, excess)
        self.store.tell(trial, candidate.values(self.search.objectives))

    def results(self, path: Path, exhausted: bool) -> SearchResult:
        """The frames; the best layouts go to `path`, the trials to the ledger, where a report finds them.

        The ledger's plan becomes that of the front alone, so that a report shows the front.
        """
        layouts = {name: layout for layout, name in self.proposer.names.items()}
        settled = self.store.settled()
        records = trial_records(settled, layouts)
        frame = trial_frame(records)
        front = pareto_front(frame, self.search.objectives)
        best = {str(name): layouts[str(name)] for name in front["name"]}
        path.unlink(missing_ok=True)
        end = None
        if best:
            if self.search.final is not None:
                end = retrain(
                    self.study,
                    self.search,
                    self.space,
                    records,
                    layouts,
                    self.ledger,
                    self.executor,
                    self.count,
                )
            shown = needed_measures(self.study, self.wanted - {"latency"})
            run_study(selected(self.study, best, shown), self.ledger, self.executor, command="search")
            again = judged_on(self.study, "test")
            path.write_text(best_study(again, self.search, best, path), encoding="utf-8")
        objectives = tuple(str(goal) for goal in self.search.objectives)
        course = course_of(self.search, self.space, self.store, self.proposer)
        self.ledger.write(SearchFact(objectives, tuple(records)))
        self.ledger.write(course)
        if end is not None:
            self.ledger.write(end)
        notes, warnings = remarks(self.search, course, end, records, exhausted)
        return SearchResult(front, frame, path if best else None, course, end, notes, warnings)


class _Progress:
    """Cells of a batch as a part of all trials.

    It never goes back, as the sum of fractions does when a cell ends while others run.
    """

    def __init__(self, watch: SearchWatch, done: int, count: int, total: int):
        self.watch, self.done, self.count, self.total = watch, done, count, total
        self.part = 0.0

    def cells(self, kind: str, cells: float, todo: int) -> None:
        """Show that `cells` of the `todo` measured ones are finished."""
        if kind not in ("complexity", "rung") and todo:
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
    rungs = search.rungs.model_dump() if search.rungs is not None else None
    return digest([goals, search.sampler, search.seed, search.batch, rungs, dict(space.choices), keys])
