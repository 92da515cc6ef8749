"""The driver: runs the planned cells that the ledger does not hold, and writes every outcome as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ablate.errors import AblateError
from ablate.run.cell import Cell, CellKind, Json, Outcome
from ablate.run.formulas import keep_formulas
from ablate.run.ledger import Ledger
from ablate.run.local import Worker, available_cores, run_jobs
from ablate.run.peak import machine_peak
from ablate.run.perform import counted
from ablate.run.plan import baseline, plan
from ablate.runners.latency import ProcessSamples, combine
from ablate.runners.provenance import load_average, provenance
from ablate.study.shipped import study_name
from ablate.study.study import Study

# Called as watch(kind, cells done (fractions count), cells to do).
Watch = Callable[[CellKind, float, int], None]


@dataclass(frozen=True)
class Summary:
    """How a run ended: cells found in the ledger, cells executed now, and planned cells that failed."""

    reused: int
    executed: int
    failed: int


def run_study(
    study: Study,
    ledger: Ledger,
    *,
    workers: int | None = None,
    timeout: float | None = None,
    retry_failed: bool = False,
    watch: Watch = lambda kind, done, total: None,
) -> Summary:
    """Execute what is missing of a study, counted cells first, accuracy last.

    Cells without a time run on `workers` one-thread processes (default: one a core); cells that measure time
    run alone. `timeout` is the limit of one cell in seconds. A failed cell is a row, and it is run again
    only with `retry_failed`.
    """
    if not study.layouts:
        hint = f"; search for some with: ablate search {study.path}" if study.search is not None else ""
        raise AblateError(f"{study.path or study.name} has no layouts to measure{hint}")
    cells = plan(study)
    ledger.set_plan(cells)
    ledger.set_fact("study", _facts(study))
    statuses = ledger.statuses(cells)
    settled = {"done"} if retry_failed else {"done", "failed"}
    todo = [cell for cell in cells if statuses[cell.key] not in settled]
    if study.measure.complexity is not None:
        keep_formulas(study, ledger)
    facts = provenance().to_json()
    for kind, group in groupby(todo, key=lambda cell: cell.kind):
        batch = list(group)
        watch(kind, 0, len(batch))
        outcomes = _run(study, ledger, kind, batch, workers or available_cores(), timeout, watch)
        for done, (cell, outcome) in enumerate(outcomes, start=1):
            now: Json = {"load_average": load_average(), "threads": int(cell.condition.get("threads", 1))}
            ledger.add(cell, outcome, {**facts, **now})
            watch(kind, done, len(batch))
    after = ledger.statuses(cells)
    return Summary(
        reused=len(cells) - len(todo),
        executed=len(todo),
        failed=sum(status == "failed" for status in after.values()),
    )


def _run(
    study: Study,
    ledger: Ledger,
    kind: CellKind,
    cells: Sequence[Cell],
    workers: int,
    timeout: float | None,
    watch: Watch,
) -> Iterator[tuple[Cell, Outcome]]:
    if kind == "complexity":
        return _run_counted(study, cells)
    if kind == "throughput":
        return _run_timed(study, cells, timeout, watch)
    if kind != "scaling":
        return _run_pooled(study, cells, workers, timeout, watch)
    condition = cells[0].condition  # all scaling cells of a study have the same one
    peak = machine_peak(ledger, condition["device"], int(condition["threads"]), timeout)
    if peak.status != "done":
        return ((cell, peak) for cell in cells)
    return _run_pooled(study, cells, workers, timeout, watch, {"peak": peak.values})


def _run_counted(study: Study, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Outcome]]:
    for cell in cells:
        start = time.perf_counter()
        outcome = counted(study, cell)
        yield cell, replace(outcome, seconds=time.perf_counter() - start)


def _run_pooled(
    study: Study,
    cells: Sequence[Cell],
    workers: int,
    timeout: float | None,
    watch: Watch,
    shared: Json | None = None,
) -> Iterator[tuple[Cell, Outcome]]:
    """Cells without a time, each a job of its own; `shared` entries are given to all of them."""
    fractions: dict[int, float] = {}
    finished = 0

    def progress(index: int, fraction: float) -> None:
        fractions[index] = fraction
        watch(cells[index].kind, finished + sum(fractions.values()), len(cells))

    jobs = [_job(study, cell.kind, _needed(study, cell), dict(cell.condition)) for cell in cells]
    jobs = [job | (shared or {}) for job in jobs]
    for index, outcome in run_jobs(jobs, workers, timeout=timeout, progress=progress):
        fractions.pop(index, None)
        finished += 1
        yield cells[index], outcome


def _needed(study: Study, cell: Cell) -> list[str]:
    """The layouts that a cell's job is sent: its own, then the baseline where it is compared to one."""
    return list(dict.fromkeys([cell.layout, baseline(study)])) if cell.kind == "scaling" else [cell.layout]


def _run_timed(
    study: Study, cells: Sequence[Cell], timeout: float | None, watch: Watch
) -> Iterator[tuple[Cell, Outcome]]:
    """Time the layouts of one condition together, in several fresh processes, each against the baseline."""
    finished = 0

    def progress(fraction: float) -> None:
        watch("throughput", finished + fraction * len(batch), len(cells))

    for _, group in groupby(cells, key=lambda cell: dict(cell.condition)):
        batch = list(group)
        start = time.perf_counter()
        outcomes = _time_together(study, batch, timeout, progress)
        seconds = (time.perf_counter() - start) / len(batch)
        for cell in batch:
            yield cell, replace(outcomes[cell.layout], seconds=seconds)
        finished += len(batch)


def _time_together(
    study: Study, cells: Sequence[Cell], timeout: float | None, progress: Callable[[float], None]
) -> dict[str, Outcome]:
    condition = dict(cells[0].condition)
    anchor = baseline(study)
    names = list(dict.fromkeys([anchor, *(cell.layout for cell in cells)]))
    samples: list[ProcessSamples] = []
    failures: dict[str, Outcome] = {}
    processes = int(condition["processes"])
    for number in range(processes):
        names = [name for name in names if name not in failures]
        outcome = _time_once(study, names, condition, timeout, number)
        if outcome.status != "done" and len(names) > 1 and not samples:
            # The process died: find out which layout it was, one at a time.
            alone = {name: _time_once(study, [name], condition, timeout, number) for name in names}
            failures |= {name: tried for name, tried in alone.items() if tried.status != "done"}
            names = [name for name in names if name not in failures]
            outcome = _time_once(study, names, condition, timeout, number) if names else outcome
        if outcome.status != "done":
            failures |= dict.fromkeys(names, outcome)
            break
        sample = ProcessSamples.from_json(outcome.values)
        failures |= {name: _failure(reason) for name, reason in sample.failed.items()}
        samples.append(sample)
        progress((number + 1) / processes)
    kept = [name for name in names if name not in failures]
    results = combine(samples, anchor, int(condition["threads"])) if kept else {}
    return failures | {name: Outcome("done", result.to_json()) for name, result in results.items()}


def _time_once(
    study: Study, names: list[str], condition: Json, timeout: float | None, number: int
) -> Outcome:
    # the limit is one cell's, and here run as many cells as there are layouts
    limit = None if timeout is None else timeout * len(names)
    worker = Worker(threads=int(condition["threads"]), timeout=limit)
    try:
        return worker.run(_job(study, "throughput", names, condition) | {"process": number})
    finally:
        worker.close()


def _failure(reason: str) -> Outcome:
    return Outcome("oom" if reason.startswith("oom: ") else "error", {}, reason.removeprefix("oom: "))


def _facts(study: Study) -> Json:
    """What a report says about the study as a whole."""
    folder = f"{study.path.parent}/" if study.path is not None else ""
    return {
        "name": study.name,
        "baseline": baseline(study),
        "warnings": [warning.removeprefix(folder) for warning in study.warnings],
        "layouts": {name: layout.text for name, layout in study.layouts.items()},
        "reference": study.input.resolution,
        "source": study.text,
        "file": study_name(study.path) if study.path is not None else "",
    }


def _job(study: Study, kind: CellKind, names: Sequence[str], condition: Json) -> Json:
    return {
        "kind": kind,
        "layouts": {name: study.layouts[name].to_yaml_dict() for name in names},
        "condition": condition,
        "channels": study.input.channels,
        "classes": study.input.classes,
        "block_files": [str(path) for path in study.block_files],
    }
