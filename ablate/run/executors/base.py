"""What an executor is: jobs in, outcomes out. It is chosen by its name, as `ablate run --executor` does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TypeVar

from ablate.errors import AblateError, did_you_mean
from ablate.run.records import Job, Outcome

Watch = Callable[[Job, float], None]
"""Called with a job and the fraction of it that is done."""


def unwatched(job: Job, fraction: float) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Setup:
    """What every executor is made from: `workers` side by side (default: its own choice), the `timeout` of
    one cell in seconds, the study's `folder`, and `options` as the command line gave them."""

    workers: int | None = None
    timeout: float | None = None
    folder: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


class Executor(ABC):
    """Runs jobs somewhere.

    Guarantees: exactly one outcome for every job, whatever the job does; no outcome under another job's name;
    a job that is a group (`processes` > 0) runs on one host; nothing of a job goes on here after `close`
    (what is queued on a cluster waits there, and the next run finds it; its outcome then bears its first id).
    """

    name = ""

    def __init__(self, setup: Setup):
        self.setup = setup

    @abstractmethod
    def run(self, jobs: Sequence[Job], watch: Watch = unwatched) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs; yields each with its outcome, as they finish. Closing the iterator stops them."""

    def close(self) -> None:  # noqa: B027  (most executors hold nothing)
        """Stop everything."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_executors: dict[str, type[Executor]] = {}

T = TypeVar("T", bound=type[Executor])


def executor(name: str) -> Callable[[T], T]:
    """Class decorator: make an executor known by its name."""

    def add(cls: T) -> T:
        cls.name = name
        _executors[name] = cls
        return cls

    return add


@cache
def _load_shipped() -> None:
    package = import_module(__name__.rpartition(".")[0])
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")


def executor_names() -> tuple[str, ...]:
    """The names of all executors."""
    _load_shipped()
    return tuple(_executors)


def make_executor(name: str, setup: Setup) -> Executor:
    """The executor of this name. Raises `AblateError` for a name that is not known."""
    _load_shipped()
    if name not in _executors:
        raise AblateError(f"unknown executor {name!r}{did_you_mean(name, tuple(_executors))}")
    return _executors[name](setup)
