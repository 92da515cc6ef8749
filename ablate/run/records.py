"""What travels between plan, executors, ledger and report: cells, jobs, outcomes, records. No torch."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from ablate.layout.settings import Model
from ablate.measurements.base import Where
from ablate.measurements.values import Failure, Values

Json: TypeAlias = dict[str, Any]
State = Literal["done", "failed", "stale", "missing"]

C = TypeVar("C", bound=Model)
V = TypeVar("V", bound=Values)


def digest(value: Any) -> str:
    """A short hash of a JSON-able value that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def plain(condition: Model) -> Json:
    """A condition as JSON has it, without the entries that are None."""
    return condition.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True)
class Cell:
    """One measurement of one layout under one condition.

    `key` is the hash of everything that can change the value (`ablate.run.keys`); `place` says where the cell
    stands in the study, whatever its key: a row there with another key is stale. `made_of` names what the
    key is the hash of.
    """

    layout: str
    kind: str
    condition: Model
    key: str
    place: str
    made_of: Json = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        condition = ", ".join(f"{key}={value}" for key, value in plain(self.condition).items())
        return f"{self.kind} of {self.layout} ({condition})"


@dataclass(frozen=True)
class Job(Values):
    """What a worker is told: which runner to call on which layouts under which condition.

    `cells` names the cells it settles: layout -> key. A job of `processes` > 0 is a group, whose layouts are
    run together in that many fresh processes and whose outcome holds an outcome for each layout.
    """

    kind: str  # the measurement; empty for what a study asks beside its cells
    runner: str
    layouts: dict[str, Json]
    condition: Json
    where: Where = "pool"
    channels: int = 3
    classes: int = 1000
    baseline: str = ""
    extensions: tuple[str, ...] = ()
    cells: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    processes: int = 0
    process: int = 0
    gather: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    folder: str | None = None
    outbox: str | None = None  # the folder in which the outcome is left as a file
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def name(self) -> str:
        """The job in a few words, for messages."""
        return f"{self.kind or 'job'} of {', '.join(self.layouts) or self.runner}"

    @property
    def stays(self) -> bool:
        """Whether it depends on no machine and is quick, so that it is not sent to a cluster."""
        return self.where == "counted" or not self.kind


@dataclass(frozen=True)
class Outcome(Values):
    """What came of a job: plain values, or a failure; and what a reader must know of how it came."""

    values: Json | None = None
    failure: Failure | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    host: str = ""
    device: str = ""  # what the device that it ran on calls itself

    @property
    def status(self) -> str:
        """`done`, or the kind of failure."""
        return "done" if self.failure is None else self.failure.status

    @property
    def reason(self) -> str:
        """Why it failed."""
        return "" if self.failure is None else self.failure.reason


@dataclass(frozen=True)
class Provenance(Values):
    """Where a row comes from: versions, machine, load, commit, command line."""

    torch: str | None = None
    timm: str | None = None
    ablate: str | None = None
    python: str | None = None
    platform: str | None = None
    processor: str | None = None
    device: str | None = None
    cores: int | None = None
    threads: int | None = None
    load_average: float | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    command: str | None = None
    host: str | None = None
    job: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record(Generic[C, V]):
    """A planned cell with what the ledger holds of it: `values` when it is done, `failure` when it failed."""

    layout: str
    kind: str
    condition: C
    key: str
    state: State
    values: V | None = None
    failure: Failure | None = None
    provenance: Provenance | None = None
    seconds: float | None = None
    created: str | None = None

    @property
    def status(self) -> str:
        """`done`, `stale`, `missing`, or the kind of failure."""
        return self.failure.status if self.failure is not None else self.state

    @property
    def reason(self) -> str:
        """Why there are no values."""
        if self.failure is not None:
            return self.failure.reason
        if self.state == "stale":
            return "the layout, the code or the protocol has changed since it was measured"
        return "never run" if self.state == "missing" else ""

    def at(self, name: str) -> Any:
        """An entry of the condition; None where it has none of this name."""
        return getattr(self.condition, name, None)


def failed(status: Any, reason: str, **more: Any) -> Outcome:
    """A failed outcome; what cannot be written as UTF-8 is replaced."""
    return Outcome(failure=Failure(status, reason.encode("utf-8", "replace").decode()), **more)
