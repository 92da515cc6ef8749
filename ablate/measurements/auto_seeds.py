"""How many seeds: a number, or `auto(difference=0.5, most=20)`: until every comparison is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from ablate.errors import did_you_mean
from ablate.layout.pattern import PatternError, parse_call
from ablate.layout.settings import Count, Model, Positive

if TYPE_CHECKING:
    from ablate.statistics.sequential import Looks

MOST_SEEDS = 1000
_FORM = "a number of seeds, or auto(difference=0.5, most=20)"


class AutoSeeds(Model):
    """Seeds are added, look by look, until every layout is better or worse than the baseline, or equivalent.

    `difference`, in points, is what the study wants to tell apart: two layouts that certainly differ by less
    are decided for equal, unless `report: {equivalent_within:}` names another margin. The looks at `least`
    seeds, about half as many again each time, up to `most`, are paid for by alpha spending
    (`ablate.statistics.sequential`).
    """

    difference: Positive
    most: Annotated[Count, Field(ge=3, le=MOST_SEEDS)] = 20
    least: Annotated[Count, Field(ge=2)] = 3
    reached: Count | None = None  # the seeds of the look that a run is at; not written in a file

    @model_validator(mode="after")
    def _room(self) -> AutoSeeds:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, and most is {self.most}")
        return self

    @property
    def looks(self) -> Looks:
        """After how many seeds the comparisons are looked at."""
        from ablate.statistics.sequential import Looks  # scipy, which a study file is read without

        return Looks.plan(self.least, self.most)

    @property
    def count(self) -> int:
        """The seeds that are run for now."""
        return self.reached or self.looks.seeds[0]

    def at(self, look: int) -> AutoSeeds:
        """The same at a look, counted from 0."""
        return self.model_copy(update={"reached": self.looks.seeds[look]})


def _parsed(value: Any) -> Any:
    """The text `auto(...)` as its settings."""
    if not isinstance(value, str):
        return value
    try:
        call = parse_call(value).call
    except PatternError as error:
        cut = "(" in value and ")" not in value  # by the comma of { a: b, c: d }
        hint = "; between { and } a value with a comma stands in quotes" if cut else ""
        raise ValueError(f"expected {_FORM}: {error.message}{hint}") from None
    if call.name != "auto":
        raise ValueError(f"expected {_FORM}, got {value!r}")
    known = ("difference", "most", "least")
    for name in call.kwargs:
        if name not in known:
            raise ValueError(f"auto has no argument {name!r}{did_you_mean(name, known)}")
    if "difference" not in call.kwargs:
        raise ValueError("auto needs a difference in points, as auto(difference=0.5)")
    numbers = {name: float(x) if name == "difference" and isinstance(x, int) else x for name, x in call.args}
    return numbers


def _kind(value: Any) -> Literal["one", "each"]:
    """The tags that the settings' own unions have: no path shows them."""
    return "each" if isinstance(value, str | AutoSeeds) else "one"


Seeds: TypeAlias = Annotated[
    Annotated[Count, Field(le=MOST_SEEDS), Tag("one")]
    | Annotated[AutoSeeds, BeforeValidator(_parsed, json_schema_input_type=str), Tag("each")],
    Discriminator(_kind),
]


def seed_count(seeds: int | AutoSeeds) -> int:
    """The number of seeds that are run for now."""
    return seeds if isinstance(seeds, int) else seeds.count
