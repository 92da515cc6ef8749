"""Which changes are made together: the rows of a design, and what a half design cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from ablate.errors import Mistake
from ablate.study.ablation import DesignName

MOST_ROWS = 64
_LEAST: dict[DesignName, int] = {"add-one": 2, "cumulative": 2, "full": 2, "half": 3}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"  # as pyDOE3 names the columns of a design


@dataclass(frozen=True)
class Row:
    """One layout of a design: the changes made, in the order written, and the stage where only one is
    changed.

    The row without changes is the base.
    """

    made: tuple[str, ...]
    stage: int | None = None

    def name(self, base: str) -> str:
        """`base`, `base/change+change`, or `base/change@2` for a single stage."""
        if not self.made:
            return base
        return f"{base}/{'+'.join(self.made)}" + (f"@{self.stage}" if self.stage is not None else "")


def together(design: DesignName, changes: Sequence[str]) -> set[frozenset[str]]:
    """The pairs of changes that some layout of the design has both of."""
    if design in ("leave-one-out", "stages"):
        return set()
    return {frozenset(pair) for pair in combinations(changes, 2)}


def count_mistake(design: DesignName, count: int) -> Mistake | None:
    """What is wrong with the number of changes for this design, if anything."""
    least = _LEAST.get(design, 1)
    if count < least:
        return Mistake(f"the design {design!r} needs {least} changes at least, got {count}", ("design",))
    rows = {"full": 2**count, "half": 2 ** max(count - 1, 0)}.get(design, 0)
    if rows > MOST_ROWS:
        smaller = "'half'" if design == "full" and rows == 2 * MOST_ROWS else "'leave-one-out'"
        message = f"the design {design!r} of {count} changes has {rows} layouts, {MOST_ROWS} at most"
        message += f"; take {smaller}"
        return Mistake(message, ("design",))
    return None


def design_rows(design: DesignName, changes: Sequence[str], stages: int = 0) -> tuple[Row, ...]:
    """The rows of a design over these changes, the base first. `stages` is the base's number of stages.

    For `stages` there is a row for each change and stage; rows that change nothing are dropped later, where
    the layouts are known. A factorial comes in standard order.
    """
    names = tuple(changes)
    base = Row(())
    if design == "leave-one-out":
        return (base, *(Row((name,)) for name in names))
    if design == "stages":
        return (base, *(Row((name,), stage + 1) for name, stage in product(names, range(stages))))
    if design == "cumulative":
        return (base, *(Row(names[: i + 1]) for i in range(len(names))))
    if design == "add-one":
        return (base, Row(names), *(Row(tuple(n for n in names if n != name)) for name in names))
    rows = full_factorial(len(names)) if design == "full" else half_factorial(len(names))
    return tuple(
        sorted(
            (Row(tuple(name for name, made in zip(names, row, strict=True) if made)) for row in rows),
            key=lambda row: (len(row.made) > 0, len(row.made), [names.index(name) for name in row.made]),
        )
    )


def full_factorial(factors: int) -> list[tuple[bool, ...]]:
    """All 2^k rows of a two-level design."""
    from pyDOE3 import ff2n

    return [tuple(bool(level > 0) for level in row) for row in ff2n(factors)]


def half_factorial(factors: int) -> list[tuple[bool, ...]]:
    """The 2^(k - 1) rows in which the last factor is the product of the others, signed so that the row with
    no change at all, the base, is among them: the half with the highest resolution.
    """
    from pyDOE3 import fracfact

    return [tuple(bool(level > 0) for level in row) for row in fracfact(_generator(factors))]


def _generator(factors: int) -> str:
    free = _LETTERS[: factors - 1]
    sign = "-" if len(free) % 2 == 0 else ""
    return " ".join(free) + f" {sign}{free}"


def aliases(changes: Sequence[str]) -> tuple[str, ...]:
    """What the half design of these changes cannot tell apart, up to two-way interactions, from pyDOE3.

    `no-attention = -plain-ffn x one-head` for three changes, pairs of interactions for four, nothing from
    five on (a resolution of V: main effects and two-way interactions are all clear of each other).
    """
    import numpy as np
    from pyDOE3 import fracfact, fracfact_aliasing

    generator = _generator(len(changes))
    sign = "-" if "-" in generator else ""  # pyDOE3 sees aliases of the same sign only
    groups, _ = fracfact_aliasing(  # type: ignore[no-untyped-call]
        np.asarray(fracfact(generator.replace("-", "")))
    )
    out = []
    for group in groups:
        terms = [term for term in group.split(" = ") if len(term) <= 2]
        if len(terms) > 1:
            names = [" x ".join(changes[_LETTERS.index(letter)] for letter in term) for term in terms]
            out.append(f" = {sign}".join(names))
    return tuple(out)
