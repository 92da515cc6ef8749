"""This machine: worker processes with pinned threads, fed with jobs, watched for crashes and time-outs."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence

from ablate.run.executors.base import Executor, Setup, Watch, executor, unwatched
from ablate.run.executors.supervisor import Worker, spoilt
from ablate.run.group import run_group
from ablate.run.outbox import leave
from ablate.run.records import Job, Json, Outcome, failed


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@executor("local")
class LocalExecutor(Executor):
    """`setup.workers` processes of this machine, by default one a core.

    Counted jobs run in a warm worker that is kept; jobs that share the machine run side by side, in workers
    that are kept too; a job that has the machine to itself gets a fresh worker.
    """

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._kept: list[Worker] = []

    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs of one kind; how many side by side follows from their `where`."""
        groups = [job for job in jobs if job.processes]
        alone = [job for job in jobs if not job.processes and job.where == "alone"]
        shared = [job for job in jobs if not job.processes and job.where != "alone"]
        try:
            yield from self._side_by_side(shared, watch)
            for job in alone:
                self._release()  # warm workers hold memory and wake up now and then
                yield job, self._fresh(job, watch)
            for job in groups:
                self._release()
                outcome = run_group(job, self._fresh, watch)
                leave(job, outcome)
                yield job, outcome
        finally:
            for worker in self._kept:
                if worker.job is not None:
                    worker.kill()

    def close(self) -> None:
        """End all workers."""
        self._release()

    def _release(self) -> None:
        for worker in self._kept:
            worker.kill()
        self._kept.clear()

    def _fresh(self, job: Job, watch: Watch) -> Outcome:
        """Run one job in a process of its own."""
        worker = Worker(job.threads, self.setup.timeout)
        try:
            ((_, outcome),) = _serve([worker], deque([job]), watch)
            return outcome
        finally:
            worker.kill()

    def _side_by_side(self, jobs: Sequence[Job], watch: Watch) -> Iterator[tuple[Job, Outcome]]:
        if not jobs:
            return
        workers = self.setup.workers or available_cores()
        wanted = min(workers, len(jobs))
        if all(job.where == "counted" for job in jobs):  # what one remembers, another would count again
            wanted = min(wanted, max(1, len(jobs) // 200))
        self._kept = [worker for worker in self._kept if worker.threads == 1]
        while len(self._kept) < wanted:
            self._kept.append(Worker(1, self.setup.timeout))
        yield from _serve(self._kept[:wanted], deque(jobs), watch)


def _serve(workers: Sequence[Worker], todo: deque[Job], watch: Watch) -> Iterator[tuple[Job, Outcome]]:
    """Give jobs to workers until all have an outcome; while none has one, `watch` is called all the same."""
    started = time.monotonic()
    for worker in workers:
        if todo:
            worker.give(todo.popleft())
    while any(worker.job is not None for worker in workers):
        busy = {worker.channel: worker for worker in workers if worker.job is not None}
        ready, _, _ = select.select(list(busy), [], [], 0.2)
        for worker in busy.values() if not ready else ():
            assert worker.job is not None
            watch(worker.job, worker.fraction)
        for worker in list(busy.values()):
            job = worker.job
            assert job is not None
            outcome = _heard(worker, watch) if worker.channel in ready else None
            if outcome is None and worker.dead and worker.channel not in ready:
                outcome = worker.ended()
            if outcome is None and (late := worker.overdue()):
                worker.kill()
                outcome = failed("timeout", late, seconds=time.monotonic() - started)
            if outcome is None:
                continue
            worker.job = None
            if todo:
                worker.give(todo.popleft())
            yield job, outcome


def _heard(worker: Worker, watch: Watch) -> Outcome | None:
    """Read what a worker says; the outcome of its job once there is one."""
    job = worker.job
    assert job is not None
    messages = worker.messages()
    if messages is None:
        return worker.ended()
    for message in messages:
        if message["type"] == "progress":
            worker.fraction = _fraction(message)
            watch(job, worker.fraction)
        elif message["type"] == "done":
            outcome = Outcome.from_json(message["outcome"])
            if spoilt(message):
                worker.kill()
            return outcome
    return None


def _fraction(message: Json) -> float:
    return min(1.0, max(0.0, float(message.get("fraction", 0.0))))
