"""Layouts of one condition that are run together, in several fresh processes of one host.

A layout that fails is left out from there on. Where a whole process dies, each layout is tried alone, the
guilty one is the failed one, and the process is run again without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ablate.dotted import load
from ablate.measurements.register import measurement
from ablate.measurements.values import Failure, Part, Values
from ablate.run.executors.base import Watch
from ablate.run.perform import prepare
from ablate.run.records import Job, Json, Outcome, failed
from ablate.runners.failure import failure_of

RunOne = Callable[[Job, Watch], Outcome]


def run_group(job: Job, run_one: RunOne, watch: Watch) -> Outcome:
    """Run a group; its outcome's values are `{"outcomes": {layout: outcome}}`, whatever failed in it."""
    start = time.perf_counter()
    failures: dict[str, Failure] = {}
    parts: list[Json] = []
    host = device = ""
    for process in range(job.processes):
        part, (host, device) = _process(job, process, failures, run_one, watch)
        if part is None:
            break
        parts.append(part)
        watch(job, (process + 1) / job.processes)
    kept = [name for name in job.layouts if name not in failures]
    results = _gathered(job, parts, kept)
    seconds = (time.perf_counter() - start) / max(1, len(job.layouts))
    outcomes = {name: Outcome(failure=failure) for name, failure in failures.items()} | results
    there: dict[str, Any] = {"seconds": seconds, "host": host, "device": device}
    outcomes = {name: replace(outcome, **there) for name, outcome in outcomes.items()}
    plain = {name: outcomes[name].to_json() for name in job.layouts}
    return Outcome({"outcomes": plain}, seconds=seconds, host=host)


def _process(
    job: Job, process: int, failures: dict[str, Failure], run_one: RunOne, watch: Watch
) -> tuple[Json | None, tuple[str, str]]:
    """One process of all layouts that have not failed; notes new failures. None when nothing is left."""

    def attempt(names: list[str]) -> Outcome:
        layouts = {name: job.layouts[name] for name in names}
        inner = replace(
            job,
            layouts=layouts,
            process=process,
            processes=0,
            cells={},
            outbox=None,
            id=f"{job.id}.{process}",
        )
        return run_one(inner, lambda _, fraction: watch(job, (process + fraction) / job.processes))

    names = [name for name in job.layouts if name not in failures]
    while names:
        outcome = attempt(names)
        if outcome.failure is None:
            part = Part.from_json(outcome.values or {})
            failures |= part.failed
            return part.data, (outcome.host, outcome.device)
        alone = {name: attempt([name]) for name in names} if len(names) > 1 else {names[0]: outcome}
        guilty = {name: tried.failure for name, tried in alone.items() if tried.failure is not None}
        failures |= guilty or dict.fromkeys(names, outcome.failure)  # alone none fails: together they do
        names = [name for name in names if name not in failures]
    return None, ("", "")


def _gathered(job: Job, parts: list[Json], kept: list[str]) -> dict[str, Outcome]:
    """The values of the layouts that every process has, from what the processes measured."""
    if not kept:
        return {}
    if not parts:
        return {name: failed("error", "no process measured it") for name in kept}
    prepare(job)
    condition: Any = measurement(job.kind).condition.model_validate(job.condition)
    try:
        values: dict[str, Values] = load(job.gather)(parts, condition, job.baseline)
    except Exception as error:
        failure = failure_of(error)
        return {name: Outcome(failure=failure) for name in kept}
    missing = failed("error", "it was not measured in every process")
    return {name: Outcome(values[name].to_json()) if name in values else missing for name in kept}
