"""`recall`: pairs of a key and a value lie about; a token that shows a key names the value."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ablate.data.drawn import IGNORED, Drawing, ascending, at_least, distinct_places
from ablate.errors import AblateError

CODES = 20221  # the seed of the patterns: part of the task, never of a run


@dataclass(frozen=True)
class Recall:
    """As many pairs as one of `pairs` says, at random cells of a grid, and for each of them a question.

    A cell's left half is the pattern of a key, its right half that of a value, or empty: then the token is a
    question. Patterns are fixed colourful dots of one pixel. No key occurs twice in an image. An operator
    whose summary of the image does not depend on the question can answer as many pairs as it has room for.
    """

    pairs: tuple[int, ...] = (2, 8, 24)
    size: int = 12
    keys: int = 32
    values: int = 8
    cell: int = 4

    def __post_init__(self) -> None:
        ascending("pairs", self.pairs, 1, min(self.keys, self.size**2 // 2))
        at_least("values", self.values, 2)
        if self.cell < 2 or self.cell % 2:
            raise AblateError(f"cell must be even and at least 2, got {self.cell}")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"value {index}" for index in range(self.values))

    @property
    def group_names(self) -> tuple[str, ...]:
        return tuple(f"{number} pairs" for number in self.pairs)

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

    def patterns(self) -> tuple[Tensor, Tensor]:
        """Of keys and of values, uint8 `(number, 3, cell, cell / 2)`."""
        generator = torch.Generator().manual_seed(CODES)
        shape = (self.keys + self.values, 3, self.cell, self.cell // 2)
        dots = torch.randint(2, shape, generator=generator, dtype=torch.uint8) * 255
        return dots[: self.keys], dots[self.keys :]

    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """Images `(N, 3, size * cell, size * cell)`, labels `(N, size, size)`, groups `(N, 1, 1)`."""
        most, cells, half = self.pairs[-1], self.size**2, self.cell // 2
        groups = torch.randint(len(self.pairs), (number,), generator=generator)
        kept = torch.arange(most) < torch.tensor(self.pairs)[groups].unsqueeze(1)  # (N, most)
        places = distinct_places(number, cells, 2 * most, generator)
        keys = distinct_places(number, self.keys, most, generator)
        values = torch.randint(self.values, (number, most), generator=generator)
        key_patterns, value_patterns = self.patterns()
        canvas = torch.zeros(number, cells, 3, self.cell, self.cell, dtype=torch.uint8)
        image, pair = kept.nonzero(as_tuple=True)
        shown, asked = places[image, pair], places[image, most + pair]
        canvas[image, shown, :, :, :half] = key_patterns[keys[image, pair]]
        canvas[image, shown, :, :, half:] = value_patterns[values[image, pair]]
        canvas[image, asked, :, :, :half] = key_patterns[keys[image, pair]]
        labels = torch.full((number, cells), IGNORED)
        labels[image, asked] = values[image, pair]
        grid = canvas.view(number, self.size, self.size, 3, self.cell, self.cell)
        images = grid.permute(0, 3, 1, 4, 2, 5).reshape(number, 3, *self.resolution)
        return Drawing(images, labels.view(number, self.size, self.size), groups.view(-1, 1, 1))
