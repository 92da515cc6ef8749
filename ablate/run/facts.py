"""What a study knows beside its cells: typed facts, written into the ledger when they are known. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from ablate.measurements.values import Values


class Fact(Values):
    """A fact about the study as a whole; `name` is its place in the ledger."""

    name: ClassVar[str]


@dataclass(frozen=True)
class StudyFact(Fact):
    """What a report says about the study: its layouts in the language, its baseline, its source."""

    name: ClassVar[str] = "study"

    title: str
    baseline: str | None = None
    warnings: tuple[str, ...] = ()
    layouts: dict[str, str] = field(default_factory=dict)
    reference: int | None = None
    source: str = ""
    file: str = ""
    command: str = "run"
    extensions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each layout, in the language
    columns: tuple[str, ...] = ()  # of the main table; empty: all
    names: dict[str, str] = field(default_factory=dict)  # what columns are called

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; also reads ledgers in which the title is called `name`."""
        return super().from_json(dict(data) | {"title": data.get("title", data.get("name", ""))})


@dataclass(frozen=True)
class Change:
    """One list of settings before and after."""

    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True)
class Leftover:
    """What a match did to an axis that it does not match."""

    before: float
    after: float
    relative: float


@dataclass(frozen=True)
class MatchRecord:
    """What bringing one layout to a budget changed."""

    layout: str
    axis: str
    target: float
    value: float | None
    by: str
    error: float | None
    note: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    axes: dict[str, Leftover] = field(default_factory=dict)


@dataclass(frozen=True)
class MatchFact(Fact):
    """The layouts that were brought to one budget: what changed, and their settings, from `key`."""

    name: ClassVar[str] = "matches"

    rows: tuple[MatchRecord, ...] = ()
    key: str = ""
    layouts: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class FormulaText:
    """One exact formula as text and LaTeX, with the sizes it holds for."""

    text: str
    latex: str = ""
    condition: str = ""


@dataclass(frozen=True)
class FormulaRecord(Values):
    """The formulas of one block by quantity; `note` says why one is missing."""

    block: str
    order: str = ""
    formulas: dict[str, FormulaText] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class FormulaFact(Fact):
    """The formulas of all distinct blocks; `keys` says what each was worked out from."""

    name: ClassVar[str] = "formulas"

    rows: tuple[FormulaRecord, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MachineFact(Fact):
    """Facts of machines that measurements require, by requirement and key."""

    name: ClassVar[str] = "machine"

    known: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord(Values):
    """One settled trial of a search; `metrics` are stored numbers by quantity."""

    number: int
    layout: str
    status: str  # done, infeasible or failed
    feasible: bool
    repeats: bool
    text: str
    widths: str = ""
    depths: str = ""
    metrics: dict[str, float | None] = field(default_factory=dict)
    spread: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class SearchFact(Fact):
    """What a search found."""

    name: ClassVar[str] = "search"

    objectives: tuple[str, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
