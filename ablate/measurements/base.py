"""What a measurement declares, in one file: settings, conditions, values, quantities, runner, place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from ablate.layout.settings import Model
from ablate.measurements.fields import Input
from ablate.measurements.values import Values
from ablate.quantities import Quantity

S = TypeVar("S", bound=Model)
C = TypeVar("C", bound=Model)
V = TypeVar("V", bound=Values)

Where = Literal["counted", "pool", "alone"]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Scope:
    """What the conditions of a study's cells may depend on beside the settings of their measurement."""

    input: Input
    layouts: tuple[str, ...]
    baseline: str


@dataclass(frozen=True)
class Task(Generic[C]):
    """What a runner is given: the built-on-paper `layouts` by name, the condition, and the study's input.

    The first layout is the one that is measured; a measurement against the baseline gets that one too, and
    one that is made `together` gets all of them. `facts` holds what `requires` asked for. `folder` is where
    a runner may leave files that a later run of the same cell can go on from; None means nowhere.
    """

    layouts: Mapping[str, Any]
    condition: C
    channels: int
    classes: int
    baseline: str = ""
    process: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: str | None = None

    @property
    def layout(self) -> Any:
        """The layout that is measured."""
        return next(iter(self.layouts.values()))


@dataclass(frozen=True)
class Requirement(Generic[C]):
    """A fact of the machine that must be known before cells of a measurement run, such as its peak.

    `key` tells the conditions apart that need a fact of their own; `runner` makes it, alone, from a `Task`
    and returns plain data.
    """

    name: str
    runner: str
    key: Callable[[C], str]
    threads: Callable[[C], int]


def _no_warnings(settings: Any) -> Iterable[tuple[tuple[str, ...], str]]:
    return ()


def _as_given(settings: Any, others: Mapping[str, Model]) -> Any:
    return settings


def _nothing(condition: Any) -> tuple[str, ...]:
    return ()


def _always(condition: Any, layout: str) -> bool:
    return True


@dataclass(frozen=True)
class Measurement(Generic[S, C, V]):
    """One kind of measurement. Everything that plan, run, report and search know of it stands here.

    `name` is its key under `measure:` and the kind of its cells, `title` what a report calls it. `settings`
    is what a study file may say, `conditions` makes the conditions of one layout's cells from it, `values` is
    what a cell comes to. `runner` is the dotted name of a function `(task, progress) -> values`; its import
    closure is a part of every key.

    `where`: `counted` cells are exact and run in a warm worker; `pool` cells share the machine; `alone`
    cells have it to themselves. `together`: the cells of one condition are run as one group, in
    `processes(condition)` fresh processes, whose plain outcomes `gather` makes the values of.
    """

    name: str
    title: str
    settings: type[S]
    condition: type[C]
    values: type[V]
    quantities: tuple[Quantity, ...]
    runner: str
    where: Where
    conditions: Callable[[S, Scope], Iterable[C]]
    description: str = ""
    applies: Callable[[C, str], bool] = _always  # whether the layout of this name has a cell under it
    against_baseline: bool = False
    uses_input: bool = True  # whether channels and classes of the study's input change the values
    packages: tuple[str, ...] = ()  # distributions, beside torch, whose versions are part of the key
    code: Callable[[C], tuple[str, ...]] = _nothing  # further modules or files whose code makes the values
    content: str = ""  # dotted name of `condition -> str` that is another when the data are
    work: Callable[[C], float] = lambda condition: (
        1.0
    )  # forward passes of one image, to estimate a cell's time
    together: bool = False
    processes: Callable[[C], int] = lambda condition: 1
    gather: str = ""
    requires: tuple[Requirement[C], ...] = ()
    complete: Callable[[S | None, Mapping[str, Model]], S | None] = _as_given
    warnings: Callable[[S], Iterable[tuple[tuple[str, ...], str]]] = _no_warnings
    check: str = (
        ""  # dotted name of `(settings, input) -> list[Mistake]`: quick, run whenever a study is read
    )
    inspect: str = ""  # dotted name of `(settings) -> str`: looks at files before a run, says what is there
    file_section: bool = True  # whether a study file may have a section of this name

    def device_of(self, condition: C) -> str | None:
        """The device that a condition names, for measured cells."""
        device = getattr(condition, "device", None)
        return None if device is None else str(device)

    def threads_of(self, condition: C) -> int:
        """The threads that the cell computes with."""
        return int(getattr(condition, "threads", 1))
