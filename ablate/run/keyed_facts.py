"""Facts that workers work out a part at a time, each kept for as long as what it is made of. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ablate.layout.diagram import Column
from ablate.measurements.values import Values
from ablate.run.facts import Fact


@dataclass(frozen=True)
class KeyedFact(Fact):
    """A record for each part of a study; `keys` says what each was worked out from, by part.

    `about` is the field of a record that names its part.
    """

    about: ClassVar[str]

    rows: tuple[Any, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def by_part(self) -> dict[str, Any]:
        """The records by the names of their parts."""
        return {getattr(row, self.about): row for row in self.rows}


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
class FormulaFact(KeyedFact):
    """The formulas of all distinct blocks."""

    name: ClassVar[str] = "formulas"
    about: ClassVar[str] = "block"

    rows: tuple[FormulaRecord, ...] = ()


@dataclass(frozen=True)
class DiagramRecord(Values):
    """What the drawing of one layout shows."""

    layout: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class DiagramFact(KeyedFact):
    """The drawings of the layouts."""

    name: ClassVar[str] = "diagrams"
    about: ClassVar[str] = "layout"

    rows: tuple[DiagramRecord, ...] = ()
