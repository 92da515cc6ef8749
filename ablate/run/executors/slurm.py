"""A Slurm cluster through submitit: arrays of one command, outcomes as files, jobs found again by ids.

Each job is `python -m ablate.run.worker --job FILE --out FILE` on a node, which supervises the cell there: a
crash or a time-out is an outcome too. Counted cells stay on the driver's machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, did_you_mean
from ablate.run.executors.base import Executor, Setup, Watch, executor, unwatched
from ablate.run.executors.local import LocalExecutor
from ablate.run.executors.submissions import Submission, Submissions
from ablate.run.outbox import read_outcome
from ablate.run.records import Job, Outcome, failed

_OVER = {
    "TIMEOUT": ("timeout", "it ran past the time that the job was given"),
    "OUT_OF_MEMORY": ("oom", "the job used more memory than it was given"),
    "CANCELLED": ("crashed", "the job was cancelled"),
    "NODE_FAIL": ("crashed", "its node failed"),
    "PREEMPTED": ("crashed", "the job was preempted"),
}


@dataclass(frozen=True)
class Options:
    """What `--slurm KEY=VALUE` may say; `None` leaves the site's default.

    `time` in minutes, `memory` as Slurm writes it (`8G`), `gpus` a node, `setup` shell lines before it,
    `chunk` jobs in one array, `parallel` of them at once, `poll` seconds between looks, `grace` seconds that
    an outcome may come later than its job's end (network file systems), `python` the nodes' interpreter,
    `cluster` slurm or local (submitit's stand-in on this machine). `exclusive`: jobs that measure time have
    their node for themselves.
    """

    partition: str | None = None
    time: int = 60
    memory: str | None = None
    gpus: int | None = None
    cpus: int | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    setup: str | None = None
    chunk: int = 500
    parallel: int = 256
    poll: float = 5.0
    grace: float = 60.0
    python: str = sys.executable
    cluster: str = "slurm"
    exclusive: bool = True

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Options:
        """Options from text. Raises `AblateError` for an unknown key and a value of the wrong kind."""
        kinds: dict[str, Any] = {"time": int, "gpus": int, "cpus": int, "chunk": int, "parallel": int}
        kinds |= {"poll": float, "grace": float, "exclusive": _yes}
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {}
        for key, text in given.items():
            if key not in known:
                raise AblateError(f"unknown option {key!r} of slurm{did_you_mean(key, known)}")
            try:
                values[key] = kinds.get(key, str)(text)
            except ValueError:
                raise AblateError(f"the option {key} of slurm is a number, got {text!r}") from None
            if key in kinds and key != "exclusive" and values[key] <= 0:
                raise AblateError(f"the option {key} of slurm must be above 0, got {text!r}")
        options = cls(**values)
        if options.cluster not in ("slurm", "local"):
            raise AblateError(f"the option cluster of slurm is slurm or local, got {options.cluster!r}")
        return options

    def parameters(self, threads: int, alone: bool) -> dict[str, Any]:
        """What submitit is told for jobs of so many threads."""
        named = ("partition", "account", "qos", "constraint", "nodelist")
        options = {f"slurm_{name}": value for name in named if (value := getattr(self, name)) is not None}
        if self.memory is not None:
            options["slurm_mem"] = self.memory
        if self.gpus is not None:
            options["gpus_per_node"] = self.gpus
        if self.setup is not None:
            options["slurm_setup"] = self.setup.splitlines()
        if alone and self.exclusive:
            options["slurm_exclusive"] = True
        return options | {
            "name": "ablate",
            "timeout_min": self.time,
            "cpus_per_task": max(threads, self.cpus or 1),
            "slurm_array_parallelism": self.parallel,
        }


def _yes(text: str) -> bool:
    return {"true": True, "yes": True, "false": False, "no": False}[text.lower()] if text else True


@executor("slurm")
class SlurmExecutor(Executor):
    """Jobs as a Slurm cluster's.

    What is queued when the driver ends goes on there: the next run of the study finds it by its ids and
    collects the outcomes. Raises `AblateError` where submitit or Slurm is missing.
    """

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self.options = Options.of(setup.options)
        if find_spec("submitit") is None:
            raise AblateError("the executor slurm needs submitit: pip install 'ablate-vision[cluster]'")
        if setup.folder is None:
            raise AblateError("the executor slurm needs a folder of results")
        self.folder = setup.folder.resolve() / "cluster"
        self.outbox = setup.folder.resolve() / "outcomes"
        self.submissions = Submissions(self.folder)
        self._local = LocalExecutor(replace(setup, options={}))
        self._handles: dict[str, Any] = {}  # submitit's own jobs of this process, by the queue's id

    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        """Submit jobs that are not queued yet and yield outcomes as their files appear."""
        here = [job for job in jobs if job.stays]
        if here:
            yield from self._local.run(here, watch)
        waiting: dict[str, Job] = {}
        fresh: list[Job] = []
        for job in (job for job in jobs if not job.stays):
            held = self.submissions.find(job)
            if held is None:
                fresh.append(job)
            else:
                waiting[held.job] = replace(job, id=held.job)
        for submitted in self._submit(fresh):
            waiting |= submitted
        yield from self._collect(waiting)

    def close(self) -> None:
        """End the workers of this machine; what is queued stays queued."""
        self._local.close()

    def _submit(self, jobs: Sequence[Job]) -> Iterator[dict[str, Job]]:
        """Submit jobs in arrays; yields those of each array once it stands in the file of submissions."""
        shapes: dict[tuple[int, bool], list[Job]] = {}
        for job in jobs:
            shapes.setdefault((job.threads, job.where == "alone" or job.processes > 0), []).append(job)
        for (threads, alone), alike in shapes.items():
            for start in range(0, len(alike), self.options.chunk):
                chunk = alike[start : start + self.options.chunk]
                handles = self._array(chunk, self.options.parameters(threads, alone))
                self._handles |= {str(handle.job_id): handle for handle in handles}
                self.submissions.add(
                    Submission(job.id, str(handle.job_id), job.runner, job.cells)
                    for job, handle in zip(chunk, handles, strict=True)
                )
                yield {job.id: job for job in chunk}

    def _array(self, jobs: Sequence[Job], parameters: dict[str, Any]) -> list[Any]:
        import submitit

        self.folder.mkdir(parents=True, exist_ok=True)
        self.outbox.mkdir(parents=True, exist_ok=True)
        try:
            engine = submitit.AutoExecutor(folder=str(self.folder / "%j"), cluster=self.options.cluster)
            engine.update_parameters(**parameters)
            handles = []
            with engine.batch():
                for job in jobs:
                    file = self.folder / f"{job.id}.json"
                    file.write_text(json.dumps(replace(job, outbox=None).to_json()), encoding="utf-8")
                    command = [self.options.python, "-m", "ablate.run.worker", "--job", str(file)]
                    command += ["--out", str(self._out(job.id))]
                    if self.setup.timeout is not None:
                        command += ["--timeout", str(self.setup.timeout)]
                    handles.append(engine.submit(submitit.helpers.CommandFunction(command)))
            return handles
        except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
            message = " ".join(str(error).split())
            raise AblateError(f"cannot submit to {self.options.cluster}: {message}") from error

    def _out(self, job: str) -> Path:
        return self.outbox / f"{job}.json"

    def _collect(self, waiting: dict[str, Job]) -> Iterator[tuple[Job, Outcome]]:
        """Wait for the outcomes of jobs; one whose job is over without any has failed."""
        gone: dict[str, float] = {}
        while waiting:
            settled = list(self._settled(waiting, gone))
            for job, outcome in settled:
                del waiting[job.id]
                yield job, outcome  # once it is taken, it stands in the ledger
                self._forget(job)
            if waiting and not settled:
                time.sleep(self.options.poll)

    def _settled(self, waiting: Mapping[str, Job], gone: dict[str, float]) -> Iterator[tuple[Job, Outcome]]:
        queued = {held.job: held.queued for held in self.submissions}
        missing = []
        for name, job in waiting.items():
            left = read_outcome(self._out(name))
            if left is not None:
                yield job, left.outcome
            else:
                missing.append(name)
        running = self._running([queued[name] for name in missing])
        for name in missing:
            if queued[name] in running:
                gone.pop(name, None)
                continue
            since = gone.setdefault(name, time.monotonic())
            if time.monotonic() - since < self.options.grace:
                continue
            left = read_outcome(self._out(name))
            yield waiting[name], left.outcome if left is not None else self._lost(queued[name])

    def _running(self, ids: Sequence[str]) -> set[str]:
        """Which of these are queued or run; all of them while the queue cannot say."""
        if self.options.cluster == "local":
            return {name for name in ids if self._runs_here(name)}
        if not ids:
            return set()
        arrays = sorted({name.partition("_")[0] for name in ids})
        command = ["squeue", "--noheader", "--array", "--format=%i", "--jobs", ",".join(arrays)]
        try:
            listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.SubprocessError):
            return set(ids)
        if listing.returncode and "Invalid job id" not in listing.stderr:
            return set(ids)
        return set(listing.stdout.split()) & set(ids)

    def _runs_here(self, name: str) -> bool:
        if name in self._handles:
            return not self._handles[name].done()
        try:  # of a driver that is gone
            return b"submitit" in Path(f"/proc/{int(name)}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

    def _lost(self, name: str) -> Outcome:
        """The outcome of a job that is over and has left none, by what Slurm says of it."""
        state = ""
        if self.options.cluster == "slurm":
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                command = [
                    "sacct",
                    "--noheader",
                    "--parsable2",
                    "--allocations",
                    "--format=State",
                    "--jobs",
                    name,
                ]
                answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
                state = next(iter(answer.stdout.split()), "")
        status, reason = _OVER.get(
            state, ("crashed", f"the job ended without an outcome{state and f' ({state})'}")
        )
        last = self._last_line(name)
        return failed(status, f"{reason}; job {name}{f': {last}' if last else ''}")

    def _last_line(self, name: str) -> str:
        for file in sorted(self.folder.glob(f"{name.partition('_')[0]}/*{name}*.err")):
            with contextlib.suppress(OSError):
                return file.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2][:300]
        return ""

    def _forget(self, job: Job) -> None:
        self.submissions.remove([job.id])
        for path in (self._out(job.id), self.folder / f"{job.id}.json"):
            with contextlib.suppress(OSError):
                os.unlink(path)
