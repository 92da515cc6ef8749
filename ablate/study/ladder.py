"""`ladder:` of a study file: each layout at several sizes, by its widths or by its depths.

    ladder: {scales: [0.5, 0.71, 1, 1.41], by: width}
    ladder: {budgets: [100k, 200k, 400k, 800k], of: params}

A scaled layout is called `name*0.71`; at scale 1 it is the layout itself. By width every stage keeps its
number of heads, and its width goes to the nearest multiple of that number (and of 4), so that every block can
be built; by depth every stage keeps at least one block. A layout at a budget is called `name@200k`; it is
brought there as `match` does it, when costs are counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictStr, ValidationError, model_validator

from ablate.errors import Mistake, did_you_mean
from ablate.layout.layout import Layout
from ablate.layout.resolve import resolve
from ablate.layout.settings import LayoutSettings, Model, Positive, plain_mistakes
from ablate.layout.sizes import format_quantity
from ablate.measurements.fields import distinct
from ablate.study.fields import Size
from ablate.study.match import Match, check_tolerance


class LadderSettings(Model):
    """The sizes of a ladder."""

    scales: Annotated[tuple[Positive, ...], Field(max_length=20), AfterValidator(distinct)] = Field(
        default=(),
        description="Factors of the widths or depths, four at least for a law: [0.5, 0.71, 1, 1.41].",
    )
    budgets: Annotated[tuple[Size, ...], Field(max_length=20), AfterValidator(distinct)] = Field(
        default=(), description="Budgets that every layout is brought to: [100k, 200k, 400k, 800k]."
    )
    of: Literal["params", "macs"] = Field(
        default="params", description="What the budgets are of; MACs are those at the input's resolution."
    )
    tolerance: Size = Field(default=0.01, description="Largest relative distance from a budget, as 1%.")
    by: Literal["width", "depth"] = Field(default="width", description="What is scaled.")
    layouts: tuple[StrictStr, ...] | None = Field(
        default=None, min_length=1, description="The layouts that are scaled; default: all of `layouts`."
    )

    @model_validator(mode="after")
    def _two(self) -> LadderSettings:
        if len(self.scales) + len(self.budgets) < 2:
            raise ValueError("a ladder needs two sizes at least, and four for a law")
        check_tolerance(self.tolerance)
        return self


@dataclass(frozen=True)
class Ladder:
    """A layout at several sizes: each as it is called (`0.71`, `200k`), and the layout's name at it; scales
    first, both in rising order."""

    base: str
    rungs: tuple[tuple[str, str], ...]


@dataclass
class Ladders:
    """What `ladder:` comes to; the paths of mistakes start below it."""

    ladders: list[Ladder] = field(default_factory=list)
    derived: dict[str, Layout] = field(default_factory=dict)
    budgets: dict[str, Match] = field(default_factory=dict)  # of derived layouts, by name
    mistakes: list[Mistake] = field(default_factory=list)


def make_ladders(
    settings: LadderSettings, layouts: Mapping[str, Any], *, names: Collection[str] = (), check: bool = True
) -> Ladders:
    """The scaled layouts of `layouts`, the study's own ones. `names` are those of all, broken ones too.

    Two scales that come to the same sizes, a layout that cannot be scaled, and a name that another layout has
    are mistakes.
    """
    out = Ladders()
    for place, name in enumerate(settings.layouts or tuple(layouts)):
        path: tuple[str | int, ...] = ("layouts", place) if settings.layouts else ()
        layout = layouts.get(name)
        if layout is None:
            if name not in names:
                message = f"unknown layout {name!r}{did_you_mean(name, tuple(names or layouts))}"
                out.mistakes.append(Mistake(message, path))
            continue
        if not isinstance(layout, Layout):
            out.mistakes.append(Mistake(f"{name!r} is no layout of the language: it cannot be scaled", path))
            continue
        _add(out, name, layout, settings, check)
    for name in out.derived:
        if name in names or name in layouts:
            out.mistakes.append(Mistake(f"another layout is called {name!r} already", ()))
    return out


def _add(out: Ladders, name: str, layout: Layout, settings: LadderSettings, check: bool) -> None:
    sizes: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    rungs = []
    if settings.by == "depth" and layout.settings.stages is not None:
        out.mistakes.append(Mistake(f"`stages` fixes the depths of {name!r}; scale it by width", ("by",)))
        return
    for place, scale in sorted(enumerate(settings.scales), key=lambda pair: pair[1]):
        path = ("scales", place)
        scaled = layout if scale == 1 else _scaled(out, name, layout, settings.by, scale, path, check)
        if scaled is None:
            continue
        size = scaled.widths, scaled.depths
        if size in sizes:
            message = (
                f"{name!r} has the same sizes at {sizes[size]:g} and {scale:g}: {settings.by}s go in steps"
            )
            out.mistakes.append(Mistake(message, path))
            continue
        sizes[size] = scale
        rung = name if scale == 1 else f"{name}*{scale:g}"
        rungs.append((f"{scale:g}", rung))
        if scale != 1:
            out.derived[rung] = scaled
    for place, budget in sorted(enumerate(settings.budgets), key=lambda pair: pair[1]):
        size_name = format_quantity(budget)
        rung = f"{name}@{size_name}"
        if rung in out.derived:
            message = f"two budgets are called {size_name}: names have four digits"
            out.mistakes.append(Mistake(message, ("budgets", place)))
            continue
        rungs.append((size_name, rung))
        made = Layout.from_settings(layout.settings, rung, check=False)
        assert isinstance(made, Layout)
        out.derived[rung] = made
        out.budgets[rung] = Match.model_validate(
            {settings.of: budget, "tolerance": settings.tolerance, "by": settings.by}
        )
    out.ladders.append(Ladder(name, tuple(rungs)))


def _scaled(
    out: Ladders, name: str, layout: Layout, by: str, scale: float, path: tuple[str | int, ...], check: bool
) -> Layout | None:
    given = {key: getattr(layout.settings, key) for key in layout.settings.model_fields_set}
    if by == "width":
        widths = tuple(scaled_width(stage.width, stage.heads, scale) for stage in layout.stages)
        given |= {"widths": widths, "heads": tuple(stage.heads for stage in layout.stages)}
        given.pop("head_dim", None)
    else:
        given["depths"] = tuple(max(1, round(scale * depth)) for depth in layout.depths)
    try:
        settings = LayoutSettings.model_validate(given)
        mistakes = resolve(settings, check=check).mistakes
    except ValidationError as error:
        mistakes = plain_mistakes(error)
    if mistakes:
        out.mistakes += [Mistake(f"{name} at {scale:g}: {mistake.message}", path) for mistake in mistakes]
        return None
    made = Layout.from_settings(settings, f"{name}*{scale:g}", check=False)
    return made if isinstance(made, Layout) else None


def scaled_width(width: int, heads: int, scale: float) -> int:
    """The multiple of the number of heads, and of 4, nearest to `scale * width`; one such step at least."""
    step = math.lcm(heads, 4) if width % math.lcm(heads, 4) == 0 else heads
    return max(1, round(scale * width / step)) * step
