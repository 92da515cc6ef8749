"""The driver: runs the planned cells that the ledger does not hold, and writes every outcome as it comes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ablate.errors import AblateError
from ablate.measurements.register import AnyMeasurement, measurement
from ablate.run.declared import declare
from ablate.run.diagrams import keep_diagrams
from ablate.run.executors.base import Executor, Watch
from ablate.run.facts import MachineFact, StudyFact
from ablate.run.inspect import inspect_data
from ablate.run.ledger import Ledger
from ablate.run.mixers import caveats, keep_mixers
from ablate.run.outbox import collect, forget
from ablate.run.plan import plan
from ablate.run.prepare import keep_formulas, matched, study_job
from ablate.run.records import Cell, Job, Outcome, Provenance, plain
from ablate.run.rounds import auto_seeds, rounds
from ablate.run.why import Parts
from ablate.runners.provenance import load_average, provenance
from ablate.study.shipped import study_name
from ablate.study.study import Study

# Called as watch(kind, cells done (fractions count), cells to do).
StudyWatch = Callable[[str, float, int], None]
# Called with every cell and its outcome, as they come.
Hear = Callable[[Cell, Outcome], None]
OUTBOX = "outcomes"
CHECKPOINTS = "checkpoints"


def unwatched(kind: str, done: float, total: int) -> None:
    """Watch nothing."""


def unheard(cell: Cell, outcome: Outcome) -> None:
    """Take no notice of outcomes."""


def everything(cell: Cell) -> bool:
    """Select every cell."""
    return True


@dataclass(frozen=True)
class Summary:
    """How a run ended: cells found in the ledger, cells executed now, and planned cells that failed."""

    reused: int
    executed: int
    failed: int
    left: int = 0  # cells that were not selected and are not done


def run_study(
    study: Study,
    ledger: Ledger,
    executor: Executor,
    watch: StudyWatch = unwatched,
    *,
    hear: Hear = unheard,
    retry_failed: bool = False,
    selected: Callable[[Cell], bool] = everything,
    command: str = "run",
) -> Summary:
    """Execute what is missing of a study, measurement by measurement, counted cells first.

    The layouts are brought to one budget where the study says `match`. A failed cell is a row, and it is run
    again only with `retry_failed`; cells that are not `selected` are left for another run. `hear` is called
    with every outcome.

    Raises `AblateError` for a study without layouts and for a budget that cannot be met.
    """
    if not study.layouts:
        hint = f"; search for some with: ablate search {study.path}" if study.search is not None else ""
        raise AblateError(f"{study.path or study.name} has no layouts to measure{hint}")
    auto = auto_seeds(study)
    if auto is not None:
        parts = [
            run_study(
                part,
                ledger,
                executor,
                watch,
                hear=hear,
                retry_failed=retry_failed,
                selected=selected,
                command=command,
            )
            for part in rounds(study, auto, ledger)
        ]
        executed = sum(part.executed for part in parts)
        last = parts[-1]
        return replace(last, executed=executed, reused=last.reused + last.executed - executed)
    study = matched(study, executor, ledger)
    cells = plan(study)
    ledger.set_plan(cells)
    ledger.write(study_fact(study, command))
    declare(study, ledger)
    driver = _Driver(study, ledger, executor, watch, hear)
    driver.collect(cells)
    states = ledger.states(cells)
    settled = {"done"} if retry_failed else {"done", "failed"}
    missing = [cell for cell in cells if states[cell.key] not in settled]
    todo = [cell for cell in missing if selected(cell)]
    inspect_data(study, {cell.kind for cell in todo})
    counted = any(cell.kind == "complexity" for cell in cells)
    if counted:
        keep_formulas(study, ledger, executor)
    for kind, group in groupby(todo, key=lambda cell: cell.kind):
        driver.run(measurement(kind), list(group))
    after = ledger.states(cells)
    if counted:
        undone = {cell.layout for cell in cells if after[cell.key] != "done"}
        keep_diagrams(study, ledger, executor, without=undone)
    keep_mixers(study, ledger, executor, {cell.layout for cell in cells if after[cell.key] == "done"})
    return Summary(
        reused=len(cells) - len(missing),
        executed=len(todo),
        failed=sum(state == "failed" for state in after.values()),
        left=len(missing) - len(todo),
    )


def study_fact(study: Study, command: str = "run") -> StudyFact:
    """What a report says about the study as a whole."""
    folder = f"{study.path.parent}/" if study.path is not None else ""
    return StudyFact(
        title=study.name,
        baseline=study.baseline,
        warnings=tuple(warning.removeprefix(folder) for warning in study.warnings),
        layouts={name: layout.text for name, layout in study.layouts.items()},
        reference=study.input.resolution,
        source=study.text,
        file=study_name(study.path) if study.path is not None else "",
        command=command,
        extensions=tuple(str(path) for path in study.extensions),
        caveats=caveats(study),
        equivalent_within=study.report.equivalent_within,
        equivalent_ratio=study.report.equivalent_ratio,
        settings={name: layout.to_yaml_dict() for name, layout in study.layouts.items()},
        columns=study.report.columns,
        names=study.report.names,
    )


class _Driver:
    """One run: turns cells into jobs, and outcomes into rows."""

    def __init__(
        self, study: Study, ledger: Ledger, executor: Executor, watch: StudyWatch, hear: Hear = unheard
    ):
        self.study, self.ledger, self.executor, self.watch = study, ledger, executor, watch
        self.hear = hear
        self.parts = Parts(study)
        self.folder = ledger.path.parent.resolve()
        self.base = Provenance.from_json(provenance().to_json())

    def collect(self, cells: Sequence[Cell]) -> None:
        """Write the rows of outcomes that workers left while no driver was there."""
        by_key = {cell.key: cell for cell in cells}
        states = self.ledger.states(cells)
        for left in collect(self.folder / OUTBOX):
            for layout, key in left.cells.items():
                cell = by_key.get(key)
                if cell is not None and states[key] != "done" and not self.ledger.has_job(left.job, key):
                    self.add(cell, _of_layout(left.outcome, layout), left.job)
            left.path.unlink(missing_ok=True)

    def run(self, entry: AnyMeasurement, cells: Sequence[Cell]) -> None:
        """Execute the cells of one measurement."""
        total, finished = len(cells), 0
        fractions: dict[str, float] = {}

        def progress(job: Job, fraction: float) -> None:
            self.ledger.commit()  # others may read it while this job runs
            fractions[job.id] = fraction * len(job.cells)
            self.watch(entry.name, finished + sum(fractions.values()), total)

        self.watch(entry.name, 0, total)
        by_key = {cell.key: cell for cell in cells}
        for job, outcome in self.outcomes(entry, cells, progress):
            for layout, key in job.cells.items():
                self.add(by_key[key], _of_layout(outcome, layout), job.id)
            forget(job)
            fractions.pop(job.id, None)
            finished += len(job.cells)
            self.watch(entry.name, finished, total)
        self.ledger.commit()

    def outcomes(
        self, entry: AnyMeasurement, cells: Sequence[Cell], progress: Watch
    ) -> Iterator[tuple[Job, Outcome]]:
        """The outcomes of all jobs; those whose machine's facts are not to be had fail with that reason."""
        jobs = self.jobs(entry, cells)
        if entry.requires:
            jobs, refused = self.with_facts(entry, jobs)
            yield from refused
        yield from self.executor.run(jobs, progress)

    def jobs(self, entry: AnyMeasurement, cells: Sequence[Cell]) -> list[Job]:
        """One job a cell, or one for all cells of a condition where they are run together."""
        groups = (
            [list(group) for _, group in groupby(cells, key=lambda cell: cell.condition)]
            if entry.together
            else [[cell] for cell in cells]
        )
        return [self.job(entry, group) for group in groups]

    def job(self, entry: AnyMeasurement, cells: Sequence[Cell]) -> Job:
        """The job of cells of one condition."""
        condition = cells[0].condition
        names = [cell.layout for cell in cells]
        if entry.against_baseline:
            names = [self.study.baseline, *names] if entry.together else [*names, self.study.baseline]
        return replace(
            study_job(self.study, entry.runner, list(dict.fromkeys(names))),
            kind=entry.name,
            condition=plain(condition),
            where=entry.where,
            baseline=self.study.baseline if entry.against_baseline else "",
            cells={cell.layout: cell.key for cell in cells},
            threads=entry.threads_of(condition),
            processes=entry.processes(condition) if entry.together else 0,
            gather=entry.gather,
            folder=str(self.folder / CHECKPOINTS / cells[0].key),
            outbox=str(self.folder / OUTBOX) if entry.where != "counted" else None,
        )

    def with_facts(
        self, entry: AnyMeasurement, jobs: Sequence[Job]
    ) -> tuple[list[Job], list[tuple[Job, Outcome]]]:
        """The jobs with the machine's facts that their measurement requires, measured where not known."""
        known = self.ledger.read(MachineFact) or MachineFact()
        ready: list[Job] = []
        refused: list[tuple[Job, Outcome]] = []
        failures: dict[str, Outcome] = {}
        for job in jobs:
            condition = entry.condition.model_validate(job.condition)
            facts = {}
            for needed in entry.requires:
                where = entry.device_of(condition)
                key = (
                    f"{needed.name}, {self.machine(where)}, {needed.key(condition)}, torch {self.base.torch}"
                )
                if key not in known.known and key not in failures:
                    asked = replace(
                        job, runner=needed.runner, where="alone", threads=needed.threads(condition), cells={},
                        layouts={}, outbox=None,
                    )  # fmt: skip
                    ((_, outcome),) = self.executor.run([asked])
                    if outcome.values is None:
                        reason = f"{needed.name.replace('_', ' ')} could not be measured: {outcome.reason}"
                        assert outcome.failure is not None
                        failures[key] = replace(outcome, failure=replace(outcome.failure, reason=reason))
                    else:
                        known = MachineFact(known.known | {key: outcome.values})
                        self.ledger.write(known)
                if key in failures:
                    refused.append((job, failures[key]))
                    break
                facts[needed.name] = known.known[key]
            else:
                ready.append(replace(job, facts=facts))
        return ready, refused

    def add(self, cell: Cell, outcome: Outcome, job: str) -> None:
        """One row."""
        entry = measurement(cell.kind)
        where = replace(
            self.base,
            load_average=load_average(),
            threads=entry.threads_of(cell.condition),
            device=outcome.device or self.machine(entry.device_of(cell.condition)),
            host=outcome.host or platform.node(),
            job=job,
            notes=outcome.notes,
        )
        self.ledger.add(cell, outcome, where, self.parts.of(cell), at_once=entry.where != "counted")
        self.hear(cell, outcome)

    def machine(self, device: str | None) -> str:
        """The name of the device that a condition means."""
        from ablate.run.keys import device_name

        return device_name(device) if device is not None else str(self.base.processor)


def _of_layout(outcome: Outcome, layout: str) -> Outcome:
    """The outcome of one layout of a job; of a group its own."""
    grouped = (outcome.values or {}).get("outcomes") if outcome.failure is None else None
    return Outcome.from_json(grouped[layout]) if isinstance(grouped, dict) else outcome
