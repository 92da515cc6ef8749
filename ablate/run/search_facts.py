"""What a search leaves in the ledger beside its trials: how it went, how its best did again. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ablate.measurements.values import Values
from ablate.run.facts import Fact
from ablate.statistics.compare import Comparison


@dataclass(frozen=True)
class CourseFact(Fact):
    """How a search went. `rate` is the share of random points of the space within the exact bounds.

    `beyond` and `repeated` count proposals that used up no trial; `dial` says that the bounds were so tight
    that one width of a point beyond them was solved for. `importance` is the share of each parameter in an
    objective's good values, by objective.
    """

    name: ClassVar[str] = "search_course"

    sampler: str
    space: int
    rate: float = 1.0
    beyond: int = 0
    repeated: int = 0
    dial: bool = False
    rungs: tuple[int, ...] = ()
    importance: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def parameters(self) -> list[str]:
        """The parameters with an importance, by the greatest that one has for any objective, in percent,
        then by name."""
        shares = list(self.importance.values())
        names = shares[0] if shares else {}
        greatest = {name: max(share.get(name, 0.0) for share in shares) for name in names}
        return sorted(names, key=lambda name: (-round(greatest[name], 2), name))


@dataclass(frozen=True)
class Again(Values):
    """One of the best layouts and its random partner, both trained with seeds that the search had not used.

    `found` is the mean that the search saw, over its own seeds and on the images that it chose by; `again`
    are the layout's values there with the new seeds. `best` and `other` are the values of the two on the test
    split. All are by seed and in the stored unit; `costs` are the exact objectives of the two.
    """

    layout: str
    partner: str
    text: str
    partner_text: str
    found: float
    again: dict[int, float]
    best: dict[int, float]
    other: dict[int, float]
    costs: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class EndFact(Fact):
    """The honest end of a search, in the quantity `goal`, better when `maximize` says so.

    `beats` compares the best layouts with their partners on the test split, pair by pair. `fell` says how far
    the best ones fell back from what the search saw, on the images that it chose by, and `winner_fell` how
    far the winner alone did. `lost` names pairs with a failed training.
    """

    name: ClassVar[str] = "search_end"

    goal: str
    maximize: bool
    seeds: tuple[int, ...]
    pairs: tuple[Again, ...]
    beats: Comparison
    fell: Comparison
    winner: str = ""
    winner_fell: float | None = None
    winner_low: float | None = None
    winner_high: float | None = None
    lost: tuple[str, ...] = ()
