"""A Ray cluster, or Ray on this machine: one task a cell, in a process of its own, never tried again by Ray.

The cluster is the one that `RAY_ADDRESS` names; without it Ray is started here. Counted cells stay on the
driver's machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from ablate.errors import AblateError
from ablate.run.executors.base import Executor, Setup, Watch, executor, unwatched
from ablate.run.executors.local import LocalExecutor
from ablate.run.records import Job, Json, Outcome, failed
from ablate.run.worker import supervised


def run_task(job: Json, timeout: float | None) -> Json:
    """What a task does on its node: the job in fresh processes, with threads fixed before torch comes."""
    return supervised(Job.from_json(job), timeout).to_json()


@executor("ray")
class RayExecutor(Executor):
    """Jobs as tasks of Ray.

    A task takes as many of Ray's cores as its cell has threads; one that measures time takes all cores of a
    node. On a
    cluster with GPUs a cell that may use one gets one. Raises `AblateError` where Ray is missing.
    """

    def __init__(self, setup: Setup):
        super().__init__(setup)
        if find_spec("ray") is None:
            raise AblateError("the executor ray needs Ray: pip install 'ablate-vision[ray]'")
        self._local = LocalExecutor(replace(setup, options={}))
        self._ours = False

    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs as tasks; yields outcomes as they come. Closing the iterator cancels the rest."""
        here = [job for job in jobs if job.stays]
        if here:
            yield from self._local.run(here, watch)
        away = [job for job in jobs if not job.stays]
        if away:
            yield from self._tasks(away)

    def close(self) -> None:
        """End what was started here."""
        self._local.close()
        if self._ours:
            import ray

            ray.shutdown()
            self._ours = False

    def _tasks(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        import ray

        self._start()
        task = ray.remote(max_calls=1, max_retries=0)(run_task)
        waiting: dict[Any, Job] = {}
        try:
            for job in jobs:
                resources = self._resources(job)
                waiting[task.options(**resources).remote(job.to_json(), self.setup.timeout)] = job
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=1, timeout=1.0)
                for reference in ready:
                    yield waiting.pop(reference), self._outcome(reference)
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)

    @staticmethod
    def _outcome(reference: Any) -> Outcome:
        import ray

        try:
            return Outcome.from_json(ray.get(reference))
        except ray.exceptions.RayError as error:  # its node or its process is gone
            message = " ".join(str(error).split())
            return failed("crashed", f"Ray lost the task: {message[:500]}")

    def _start(self) -> None:
        import ray

        if ray.is_initialized():
            return
        try:
            if os.environ.get("RAY_ADDRESS"):
                ray.init(log_to_driver=False)
            else:
                ray.init(num_cpus=self.setup.workers, include_dashboard=False, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise AblateError(f"Ray cannot be started: {' '.join(str(error).split())}") from error
        self._ours = True

    @staticmethod
    def _resources(job: Job) -> dict[str, float]:
        import ray

        listed: Any = ray.nodes  # it has no types
        nodes = [node["Resources"] for node in listed() if node["Alive"]]
        widest = max((node.get("CPU", 1.0) for node in nodes), default=1.0)
        alone = job.where == "alone" or job.processes > 0
        resources = {"num_cpus": widest if alone else min(widest, float(job.threads))}
        if job.condition.get("device") not in (None, "cpu") and any(node.get("GPU") for node in nodes):
            resources["num_gpus"] = 1.0
        return resources
