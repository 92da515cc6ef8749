"""`flag`: a far flag decides how every token has to read its own colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.drawn import (
    EPOCH,
    TEST_IMAGES,
    ascending,
    at_least,
    coloured,
    drawn_splits,
    enlarged,
    palette,
)
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit


@dataset("flag", flip=False)
def flag(
    request: Request,
    *,
    distances: tuple[int, ...] = (8, 12),
    size: int = 16,
    colours: int = 6,
    cell: int = 4,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """A far flag decides how every token has to read its own colour.

    The first column of a grid of random colours is the flag, black or white. Under the black flag a token
    names its own colour, under the white one the colour half the palette on. It is asked from the first of
    `distances` on (columns from the flag), and the scores are kept by the last distance that is not above
    its own. What does not see the flag is right for half the tokens.
    """
    ascending("distances", distances, 1, size - 1)
    at_least("cell", cell, 1)
    palette(colours)
    if colours % 2:
        raise AblateError(f"colours must be even, got {colours}")

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_flag(generator, number, distances, size, colours, cell)

    names = [f"colour {index}" for index in range(colours)]
    return drawn_splits(draw, names, [f"d>={distance}" for distance in distances], images, test_images)


def draw_flag(
    generator: torch.Generator, number: int, distances: tuple[int, ...], size: int, colours: int, cell: int
) -> TensorSplit:
    """Images `(N, 3, size * cell, size * cell)`, labels `(N, size, size)`, groups: the distance."""
    import torch

    from ablate.data.splits import IGNORED, TensorSplit

    indices = torch.randint(colours, (number, size, size), generator=generator)
    white = torch.randint(2, (number,), generator=generator)
    cells = coloured(indices, palette(colours))
    cells[:, :, :, 0] = 255 * white.to(torch.uint8).view(-1, 1, 1)
    labels = (indices + white.view(-1, 1, 1) * (colours // 2)) % colours
    column = torch.arange(size)
    labels[:, :, column < distances[0]] = IGNORED
    groups = (torch.bucketize(column, torch.tensor(distances), right=True) - 1).clamp_min(0)
    return TensorSplit(enlarged(cells, cell), labels, groups.expand(labels.shape))
