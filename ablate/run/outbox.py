"""Outcomes as files: a worker leaves them, and a driver that was killed collects them when it comes back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.run.records import Job, Json, Outcome


@dataclass(frozen=True)
class Left:
    """An outcome that was left: the job's id, the cells it settles (layout -> key), and the file."""

    job: str
    cells: dict[str, str]
    outcome: Outcome
    path: Path


def leave(job: Job, outcome: Outcome, path: Path | None = None) -> Path | None:
    """Write the outcome of a job into its outbox, or to `path`, by an atomic rename."""
    if path is None:
        if job.outbox is None or not job.cells:
            return None
        path = Path(job.outbox) / f"{job.id}.json"
    record: Json = {"job": job.id, "cells": job.cells, "outcome": outcome.to_json()}
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(record), encoding="utf-8")
        os.replace(part, path)
    except OSError:  # a full disk: the driver still gets the message
        with contextlib.suppress(OSError):
            part.unlink()
        return None
    return path


def read_outcome(path: Path) -> Left | None:
    """The outcome that a file holds; None when there is none, or not yet."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Left(record["job"], record["cells"], Outcome.from_json(record["outcome"]), path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def collect(outbox: Path) -> Iterator[Left]:
    """All outcomes that wait in an outbox, the oldest first; what is no outcome is removed."""
    if not outbox.is_dir():
        return
    for path in sorted(outbox.glob("*.json"), key=lambda file: file.stat().st_mtime):
        left = read_outcome(path)
        if left is None:
            path.unlink(missing_ok=True)
        else:
            yield left


def forget(job: Job) -> None:
    """Remove what a job left, once it stands in the ledger."""
    if job.outbox is not None:
        (Path(job.outbox) / f"{job.id}.json").unlink(missing_ok=True)
