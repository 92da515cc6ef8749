"""`position`: in which part of the image a dot is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ablate.data.drawn import Drawing, at_least
from ablate.errors import AblateError


@dataclass(frozen=True)
class Position:
    """One bright dot of `dot` x `dot` pixels on dark noise; the label is its field of `fields` x `fields`.

    The dot lies on a grid of its own size, so that no token sees more of it than another. Only places make
    the answers differ: an operator that treats all tokens alike, under a head that averages them, is at
    chance; padding tells a convolution about the border, as far as it reaches. Scores are kept for fields at
    the border and for the inner ones.
    """

    fields: int = 4
    size: int = 64
    dot: int = 4

    def __post_init__(self) -> None:
        at_least("fields", self.fields, 2)
        at_least("dot", self.dot, 1)
        if self.size % (self.fields * self.dot):
            raise AblateError(f"size must be a multiple of {self.fields * self.dot}, got {self.size}")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"row {row}, column {column}" for row in self._line for column in self._line)

    @property
    def _line(self) -> range:
        return range(self.fields)

    @property
    def group_names(self) -> tuple[str, ...]:
        return ("border", "inner") if self.fields > 2 else ("border",)

    @property
    def channels(self) -> int:
        return 1

    @property
    def resolution(self) -> tuple[int, int]:
        return (self.size, self.size)

    @property
    def label_grid(self) -> None:
        return None

    @property
    def questions(self) -> int:
        return 1

    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """Images `(N, 1, size, size)`, labels `(N,)`."""
        images = torch.randint(64, (number, 1, self.size, self.size), generator=generator, dtype=torch.uint8)
        cells = self.size // self.dot
        row, column = torch.randint(cells, (2, number), generator=generator)
        index = torch.arange(number)
        for down in range(self.dot):
            for right in range(self.dot):
                images[index, 0, row * self.dot + down, column * self.dot + right] = 255
        each = cells // self.fields
        row, column = row // each, column // each
        last = self.fields - 1
        inner = (row > 0) & (row < last) & (column > 0) & (column < last)
        return Drawing(images, row * self.fields + column, inner.long())
