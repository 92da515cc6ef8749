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
    equivalent_within: float | None = None  # points of accuracy that count as equal
    equivalent_ratio: float | None = None  # share of a latency that counts as equal
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
class MixerRecord(Values):
    """A mixer as some layouts use it: what it says about itself, and its summary size stage by stage.

    `stages` are the numbers, from 1, of the stages that hold it; `sizes` the numbers about an image that it
    keeps there whatever the query is, None where the block does not say.
    """

    block: str
    family: str = ""
    caveat: str = ""
    layouts: tuple[str, ...] = ()
    stages: tuple[int, ...] = ()
    sizes: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class MixerFact(Fact):
    """The mixers and whole blocks of the study at its own resolution, in pixels, from `key`."""

    name: ClassVar[str] = "mixers"

    rows: tuple[MixerRecord, ...] = ()
    resolution: int = 0
    key: str = ""


@dataclass(frozen=True)
class MachineFact(Fact):
    """Facts of machines that measurements require, by requirement and key."""

    name: ClassVar[str] = "machine"

    known: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassesFact(Fact):
    """What the classes of the images are called that accuracy is measured on."""

    name: ClassVar[str] = "classes"

    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialRecord(Values):
    """One settled trial of a search; `metrics` are stored numbers by quantity."""

    number: int
    layout: str
    status: str  # done, infeasible, failed, or stopped by a rung
    feasible: bool
    repeats: bool
    text: str
    widths: str = ""
    depths: str = ""
    metrics: dict[str, float | None] = field(default_factory=dict)
    spread: float | None = None
    reason: str = ""
    rungs: dict[int, float] = field(default_factory=dict)  # accuracy on the way, by training images


@dataclass(frozen=True)
class SearchFact(Fact):
    """What a search found."""

    name: ClassVar[str] = "search"

    objectives: tuple[str, ...] = ()
    trials: tuple[TrialRecord, ...] = ()


@dataclass(frozen=True)
class DesignRow:
    """One layout of an ablation: which changes were made, and in which stage where only one was changed."""

    made: tuple[str, ...]
    stage: int | None = None


@dataclass(frozen=True)
class DesignRecord:
    """One ablation: its base, its changes in the order written, its design, row by row."""

    base: str
    design: str
    changes: tuple[str, ...]
    rows: tuple[DesignRow, ...]
    aliases: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class AblationFact(Fact):
    """The ablations of the study."""

    name: ClassVar[str] = "ablations"

    ablations: tuple[DesignRecord, ...] = ()


@dataclass(frozen=True)
class Predicted:
    """One line of `expect`, and when it was first seen.

    `after`: what the line speaks of had been measured by then, so that it is no prediction. `withdrawn`: when
    it was missing from the study file for the first time.
    """

    line: str
    written: str
    after: bool = False
    withdrawn: str = ""


@dataclass(frozen=True)
class ExpectationFact(Fact):
    """What the author predicted, in the order in which it was written."""

    name: ClassVar[str] = "expectations"

    lines: tuple[Predicted, ...] = ()


@dataclass(frozen=True)
class ClaimsFact(Fact):
    """Sentences that others have written, each with the expectations that test it."""

    name: ClassVar[str] = "claims"

    sentences: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class LooksFact(Fact):
    """How seeds were added: after how many the comparisons were looked at, and where that ended.

    `difference`: the margin, in points, within which a comparison counted as decided for equal.
    """

    name: ClassVar[str] = "looks"

    seeds: tuple[int, ...] = ()
    reached: int = 0
    difference: float = 0.0
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rung:
    """One size of a layout: its scale or budget, and the name of the layout at it."""

    size: str
    layout: str


@dataclass(frozen=True)
class LadderRecord:
    """A layout at several sizes, in rising order."""

    base: str
    rungs: tuple[Rung, ...]


@dataclass(frozen=True)
class LadderFact(Fact):
    """The ladders of the study."""

    name: ClassVar[str] = "ladders"

    ladders: tuple[LadderRecord, ...] = ()
