"""The numbers of a layout that a budget may turn, one a stage: widths, depths, or hidden widths of the FFNs.

Which values are legal is decided here: heads and groups must divide a width, the blocks of the stage must
accept it, and a pattern's cycle should divide a depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Literal, TypeAlias

import torch

import blocks
from ablate.errors import AblateError
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.pattern import MAX_DEPTH
from ablate.layout.recipe import Recipe
from ablate.layout.resolve import DEFAULT_HEAD_DIM, choose_heads
from ablate.model import Part, build_part, parts

By: TypeAlias = Literal["width", "depth", "expansion"]
MAX_SIZE = 65536  # channels; the language allows no more
_HEAD_DIM_SLACK = 1.25  # a head_dim chosen by the language may miss the one aimed at by this factor


@dataclass(frozen=True)
class Dial:
    """One number of a layout: where it stands, and which multiples of its unit it may take."""

    start: int
    legal: Callable[[int], bool]
    most: int
    unit: int = 1

    def below(self, value: float | Fraction) -> int | None:
        """The greatest legal number that is at most `value`, or None."""
        number = math.floor(min(value, self.most) / self.unit) * self.unit
        while number >= 1 and not self.legal(number):
            number -= self.unit
        return number if number >= 1 else None

    def above(self, value: float | Fraction) -> int | None:
        """The least legal number that is at least `value`, or None."""
        number = max(math.ceil(value / self.unit), 1) * self.unit
        while number <= self.most and not self.legal(number):
            number += self.unit
        return number if number <= self.most else None


@dataclass(frozen=True)
class Dials:
    """A layout's dials at one fineness, and how many legal values on either side of a common factor are
    tried."""

    dials: tuple[Dial, ...]
    reach: int


@dataclass(frozen=True)
class Scaling:
    """How a layout is made larger or smaller: its dials, from coarse to fine, and what they set."""

    layout: Layout
    by: By
    levels: tuple[Dials, ...]
    stages: tuple[int, ...]  # the stages, from 0, whose numbers the dials are

    def turned(self, values: tuple[int, ...], *, check: bool = False) -> Layout:
        """The layout with its dials at `values`."""
        if self.by == "depth":
            return self.layout.replace(depths=list(values), check=check)
        if self.by == "width":
            return self.layout.replace(widths=list(values), check=check)
        ratios = list(self.layout.mlp_ratio)
        for stage, hidden in zip(self.stages, values, strict=True):
            if hidden != hidden_width(self.layout, stage):
                ratios[stage] = hidden / self.layout.widths[stage]
        return self.layout.replace(mlp_ratio=ratios, check=check)


def scaling(layout: Layout, by: By) -> Scaling:
    """The dials of a layout.

    Coarse levels come first, because they give sizes that hardware likes and cycles that come out whole:
    widths and hidden widths in multiples of 8, then 4, 2, 1; depths in whole cycles of the pattern, then
    single blocks. Raises `AblateError` where the layout has no such dial.
    """
    if by == "width":
        return _width(layout)
    return _depth(layout) if by == "depth" else _expansion(layout)


def hidden_width(layout: Layout, stage: int) -> int:
    """Hidden channels of the FFNs of a stage, counted from 0."""
    return max(1, round(layout.widths[stage] * layout.mlp_ratio[stage]))


def _width(layout: Layout) -> Scaling:
    own = [_blocks_of(layout, number) for number in range(1, len(layout.stages) + 1)]
    heads = layout.heads if layout.settings.heads is not None else (1,) * len(layout.stages)
    aim = layout.settings.head_dim or DEFAULT_HEAD_DIM
    head_dims = aim if isinstance(aim, tuple) else (aim,) * len(own)
    rules = [
        _width_rule(stage, layout.settings.heads is None, head_dim)
        for stage, head_dim in zip(own, head_dims, strict=True)
    ]
    levels = tuple(
        Dials(
            tuple(
                Dial(width, rule, MAX_SIZE, math.lcm(unit, multiple))
                for width, rule, multiple in zip(layout.widths, rules, heads, strict=True)
            ),
            reach=1,
        )
        for unit in (8, 4, 2, 1)
    )
    return Scaling(layout, "width", levels, tuple(range(len(layout.stages))))


def _blocks_of(layout: Layout, stage: int) -> tuple[Part, ...]:
    """The distinct blocks of a stage, counted from 1."""
    chain = parts(layout)
    members = (replace(part, drop_path=0.0) for name, part in chain if name.startswith(f"stage{stage}.block"))
    return tuple(dict.fromkeys(members))


def _width_rule(own: tuple[Part, ...], choose: bool, head_dim: int) -> Callable[[int], bool]:
    """Whether the blocks of a stage can have a width; with `choose`, its heads follow from the width."""
    attends = any("num_heads" in blocks.get(p.call.name, "mixer", "block").supplied for p in own)
    start = own[0]
    slack = max(_HEAD_DIM_SLACK, _miss(start.dim, start.heads, head_dim))

    @cache
    def legal(width: int) -> bool:
        heads = choose_heads(width, head_dim) if choose else start.heads
        if attends and choose and _miss(width, heads, head_dim) > slack:
            return False
        return all(_can_be_built(replace(p, in_dim=width, dim=width, heads=heads)) for p in own)

    return legal


def _miss(width: int, heads: int, head_dim: int) -> float:
    """By which factor the heads miss the size aimed at; two heads are always as good as it gets below it."""
    size, aim = width / heads, min(head_dim, width / 2)
    return max(size / aim, aim / size)


@cache
def _can_be_built(part: Part) -> bool:
    try:
        with torch.device("meta"):
            build_part(part)
    except ValueError:
        return False
    return True


def _depth(layout: Layout) -> Scaling:
    if layout.settings.stages is not None:
        raise AblateError(
            f"{layout.name!r} spells its blocks out, so its depth cannot be changed; "
            "match it by width or expansion"
        )
    pattern = layout.pattern
    cycles = [len(pattern.cycle(number)) for number in range(len(layout.stages))]
    # a depth that the cycle does not divide in the first place is not made to
    units = [cycle if depth % cycle == 0 else 1 for cycle, depth in zip(cycles, layout.depths, strict=True)]
    levels = [
        Dials(
            tuple(Dial(d, lambda _: True, MAX_DEPTH, u) for d, u in zip(layout.depths, unit, strict=True)),
            reach,
        )
        for unit, reach in ((units, 1), ([1] * len(units), 1), ([1] * len(units), 2))
    ]
    return Scaling(layout, "depth", tuple(levels), tuple(range(len(layout.stages))))


def _has_ffn(call: BlockCall, recipe: Recipe) -> bool:
    """Whether a block has an FFN whose width the stage's `mlp_ratio` says."""
    mixer = blocks.get(call.name, "mixer", "block").kind == "mixer"
    return mixer and recipe.of(call).ffn.name != "none" and "mlp_ratio" not in dict(call.recipe)


def _expansion(layout: Layout) -> Scaling:
    with_ffn = tuple(
        number
        for number, stage in enumerate(layout.stages)
        if any(_has_ffn(call, stage.recipe) for call in stage.blocks)
    )
    if not with_ffn:
        raise AblateError(
            f"no block of {layout.name!r} has an FFN of its own to expand; match it by width or depth"
        )
    levels = tuple(
        Dials(tuple(Dial(hidden_width(layout, n), lambda _: True, MAX_SIZE, unit) for n in with_ffn), 1)
        for unit in (8, 4, 2, 1)
    )
    return Scaling(layout, "expansion", levels, with_ffn)
