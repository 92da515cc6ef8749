"""`reach`: every token names the colour that is d columns to its right, for several d at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ablate.data.drawn import (
    IGNORED,
    Drawing,
    ascending,
    at_least,
    coloured,
    coordinates,
    enlarged,
    palette,
)


@dataclass(frozen=True)
class Reach:
    """A grid of `size` x `size` cells of random colours, each `cell` pixels wide.

    One question a distance; tokens whose answer would lie outside are not asked. With `coordinates` the
    channels after the three of the colour say where a cell is: without them an operator that knows no places
    of its own cannot know what is d columns away, however far it reaches. An operator that sees a share p of
    the asked cells answers p + (1 - p) / colours of them.
    """

    distances: tuple[int, ...] = (1, 2, 3, 8)
    size: int = 16
    colours: int = 6
    cell: int = 4
    coordinates: bool = True

    def __post_init__(self) -> None:
        ascending("distances", self.distances, 1, self.size - 1)
        at_least("cell", self.cell, 1)
        palette(self.colours)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"colour {index}" for index in range(self.colours))

    @property
    def group_names(self) -> tuple[str, ...]:
        return tuple(f"d={distance}" for distance in self.distances)

    @property
    def channels(self) -> int:
        return 3 + (len(coordinates(self.size)) if self.coordinates else 0)

    @property
    def resolution(self) -> tuple[int, int]:
        return (self.size * self.cell,) * 2

    @property
    def label_grid(self) -> tuple[int, int]:
        return (self.size, self.size)

    @property
    def questions(self) -> int:
        return len(self.distances)

    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """Images `(N, channels, size * cell, size * cell)`, labels `(N, Q, size, size)`."""
        indices = torch.randint(self.colours, (number, self.size, self.size), generator=generator)
        cells = coloured(indices, palette(self.colours))
        if self.coordinates:
            place = coordinates(self.size).unsqueeze(0).expand(number, -1, -1, -1)
            cells = torch.cat([cells, place], dim=1)
        labels = torch.full((number, self.questions, self.size, self.size), IGNORED)
        for question, distance in enumerate(self.distances):
            labels[:, question, :, :-distance] = indices[:, :, distance:]
        groups = torch.arange(self.questions).view(1, -1, 1, 1)
        return Drawing(enlarged(cells, self.cell), labels, groups)
