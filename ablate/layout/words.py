"""What the parser gives: words with their offsets, and patterns of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ablate.layout.call import BlockCall


@dataclass(frozen=True)
class Word:
    """A block as it was written: the call, and the offsets of its name, its argument names and its values.

    `parts` are the names and calls that stand as values, by argument; `recipe` is what stands in braces, as
    a word without a name. A word that a definition gave is `defined`: its offsets are that of the name.
    """

    call: BlockCall
    offset: int
    keys: tuple[tuple[str, int, int], ...] = ()
    parts: tuple[tuple[str, tuple[Word, ...]], ...] = ()
    recipe: Word | None = None
    defined: bool = False

    def key_offset(self, key: str) -> int:
        """Where the argument's name stands."""
        return next((at for name, at, _ in self.keys if name == key), self.offset)

    def value_offset(self, key: str) -> int:
        """Where the argument's value stands."""
        return next((at for name, _, at in self.keys if name == key), self.offset)

    def parts_of(self, key: str) -> tuple[Word, ...]:
        """The names and calls in the value of an argument."""
        return next((words for name, words in self.parts if name == key), ())


Definitions: TypeAlias = Mapping[str, tuple[Word, ...]]
NO_DEFINITIONS: Definitions = {}


@dataclass(frozen=True)
class Pattern:
    """A parsed layout text: one cycle of blocks per stage, or one for all stages, or a graft."""

    cycles: tuple[tuple[Word, ...], ...]
    rule: str = ""
    graft_from: int = 0  # the first stage, counted from 1, of the second cycle
    offset: int = 0  # of the number after `from=`

    @property
    def stages(self) -> int | None:
        """The number of stages the text says, or None when it fits any number."""
        return None if self.rule or len(self.cycles) == 1 else len(self.cycles)

    def cycle(self, stage: int) -> tuple[Word, ...]:
        """The cycle of a stage, counted from 0."""
        if self.rule == "graft":
            return self.cycles[0 if stage + 1 < self.graft_from else 1]
        return self.cycles[0] if len(self.cycles) == 1 else self.cycles[stage]


def cycle_blocks(cycle: tuple[Word, ...], depth: int) -> tuple[Word, ...]:
    """`depth` blocks: the cycle again and again, the last time cut off."""
    return tuple(cycle[i % len(cycle)] for i in range(depth))
