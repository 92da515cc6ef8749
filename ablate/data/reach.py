"""`reach`: every token names the colour that is d columns to its right, for several d at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.drawn import (
    EPOCH,
    TEST_IMAGES,
    ascending,
    at_least,
    coloured,
    coordinates,
    drawn_splits,
    enlarged,
    palette,
)
from ablate.data.register import Request, dataset

if TYPE_CHECKING:
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit


@dataset("reach", flip=False)
def reach(
    request: Request,
    *,
    distances: tuple[int, ...] = (1, 2, 3, 8),
    size: int = 16,
    colours: int = 6,
    cell: int = 4,
    places: bool = True,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """Every token names the colour that is d columns to its right, for several d at once.

    A grid of `size` x `size` cells of random colours, each `cell` pixels wide; one question a distance. With
    `places` the channels after the three of the colour say where a cell is: without them an operator that
    knows no places of its own cannot know what is d columns away, however far it reaches. An operator that
    sees a share p of the asked cells answers p + (1 - p) / colours of them.
    """
    ascending("distances", distances, 1, size - 1)
    at_least("cell", cell, 1)
    palette(colours)

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_reach(generator, number, distances, size, colours, cell, places)

    names = [f"colour {index}" for index in range(colours)]
    return drawn_splits(draw, names, [f"d={distance}" for distance in distances], images, test_images)


def draw_reach(
    generator: torch.Generator,
    number: int,
    distances: tuple[int, ...],
    size: int,
    colours: int,
    cell: int,
    places: bool,
) -> TensorSplit:
    """Images `(N, C, size * cell, size * cell)`; labels `(N, len(distances), size, size)`, not asked where
    the answer would lie outside; groups: the distance."""
    import torch

    from ablate.data.splits import IGNORED, TensorSplit

    indices = torch.randint(colours, (number, size, size), generator=generator)
    cells = coloured(indices, palette(colours))
    if places:
        cells = torch.cat([cells, coordinates(size).expand(number, -1, -1, -1)], dim=1)
    labels = torch.full((number, len(distances), size, size), IGNORED)
    for question, distance in enumerate(distances):
        labels[:, question, :, :-distance] = indices[:, :, distance:]
    groups = torch.arange(len(distances)).view(1, -1, 1, 1).expand(labels.shape)
    return TensorSplit(enlarged(cells, cell), labels, groups)
