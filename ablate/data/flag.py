"""`flag`: a far flag decides how every token has to read its own colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ablate.data.drawn import IGNORED, Drawing, ascending, at_least, coloured, enlarged, palette
from ablate.errors import AblateError


@dataclass(frozen=True)
class Flag:
    """A grid of random colours whose first column is a flag, black or white.

    Under the black flag a token names its own colour, under the white one the colour half the palette on. It
    is asked from the first of `distances` on (columns between it and the flag), and the scores are kept by
    the last distance that is not above its own. What does not see the flag is right for half the tokens.
    """

    distances: tuple[int, ...] = (8, 12)
    size: int = 16
    colours: int = 6
    cell: int = 4

    def __post_init__(self) -> None:
        ascending("distances", self.distances, 1, self.size - 1)
        at_least("cell", self.cell, 1)
        palette(self.colours)
        if self.colours % 2:
            raise AblateError(f"colours must be even, got {self.colours}")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"colour {index}" for index in range(self.colours))

    @property
    def group_names(self) -> tuple[str, ...]:
        return tuple(f"d>={distance}" for distance in self.distances)

    @property
    def channels(self) -> int:
        return 3

    @property
    def resolution(self) -> tuple[int, int]:
        return (self.size * self.cell,) * 2

    @property
    def label_grid(self) -> tuple[int, int]:
        return (self.size, self.size)

    @property
    def questions(self) -> int:
        return 1

    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """Images `(N, 3, size * cell, size * cell)`, labels `(N, size, size)`."""
        indices = torch.randint(self.colours, (number, self.size, self.size), generator=generator)
        white = torch.randint(2, (number,), generator=generator)
        cells = coloured(indices, palette(self.colours))
        cells[:, :, :, 0] = 255 * white.to(torch.uint8).view(-1, 1, 1)
        labels = (indices + white.view(-1, 1, 1) * (self.colours // 2)) % self.colours
        distance = torch.arange(self.size)
        labels[:, :, distance < self.distances[0]] = IGNORED
        steps = torch.tensor(self.distances)
        groups = (torch.bucketize(distance, steps, right=True) - 1).clamp_min(0)
        return Drawing(enlarged(cells, self.cell), labels, groups.view(1, 1, -1))
