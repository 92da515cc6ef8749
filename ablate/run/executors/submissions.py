"""Which jobs are queued on a cluster: a file by which a driver that comes back finds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.measurements.values import Values
from ablate.run.records import Job

FILE = "submitted.json"


@dataclass(frozen=True)
class Submission(Values):
    """One queued job: its own id, the cells that it settles, its runner, and the queue's id of it."""

    job: str
    queued: str
    runner: str
    cells: dict[str, str]

    def settles(self, job: Job) -> bool:
        """Whether it is the same work as a job of another driver."""
        return bool(self.cells) and (self.runner, self.cells) == (job.runner, job.cells)


class Submissions:
    """The queued jobs of a study, kept whole on disk at every moment."""

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._held = {held.job: held for held in self._read()}

    def __iter__(self) -> Iterator[Submission]:
        return iter(tuple(self._held.values()))

    def find(self, job: Job) -> Submission | None:
        """The submission that settles a job; None when there is none."""
        return next((held for held in self if held.settles(job)), None)

    def add(self, submissions: Iterable[Submission]) -> None:
        """Note jobs as queued."""
        self._held |= {held.job: held for held in submissions}
        self._write()

    def remove(self, jobs: Iterable[str]) -> None:
        """Forget jobs."""
        for job in jobs:
            self._held.pop(job, None)
        self._write()

    def _read(self) -> list[Submission]:
        try:
            return [Submission.from_json(held) for held in json.loads(self.path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or nobody's any more
            return []

    def _write(self) -> None:
        part = self.path.with_suffix(f".{os.getpid()}.part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps([held.to_json() for held in self]), encoding="utf-8")
        os.replace(part, self.path)
