"""`recall`: pairs of a key and a value lie about; a token that shows a key names the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.drawn import EPOCH, TEST_IMAGES, ascending, at_least, distinct_places, drawn_splits
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit

CODES = 20221  # the seed of the patterns: part of the task, never of a run


@dataset("recall", flip=False)
def recall(
    request: Request,
    *,
    pairs: tuple[int, ...] = (2, 8, 24),
    size: int = 12,
    keys: int = 32,
    values: int = 8,
    cell: int = 4,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """Pairs of a key and a value lie about; a token that shows a key names the value.

    An image has as many pairs as one of `pairs` says, at random cells of a grid, and a question for each. A
    cell's left half is the pattern of a key, its right half that of a value, or empty: then it is a question.
    Patterns are fixed colourful dots of one pixel; no key occurs twice in an image. An operator whose summary
    of the image does not depend on the question can answer as many pairs as it has room for.
    """
    ascending("pairs", pairs, 1, min(keys, size**2 // 2))
    at_least("values", values, 2)
    if cell < 2 or cell % 2:
        raise AblateError(f"cell must be even and at least 2, got {cell}")

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_recall(generator, number, pairs, size, keys, values, cell)

    names = [f"value {index}" for index in range(values)]
    return drawn_splits(draw, names, [f"{count} pairs" for count in pairs], images, test_images)


def patterns(number: int, cell: int) -> Tensor:
    """The first `number` patterns of half a cell, uint8 `(number, 3, cell, cell / 2)`."""
    import torch

    generator = torch.Generator().manual_seed(CODES)
    shape = (number, 3, cell, cell // 2)
    return torch.randint(2, shape, generator=generator, dtype=torch.uint8) * 255


def draw_recall(
    generator: torch.Generator,
    number: int,
    pairs: tuple[int, ...],
    size: int,
    keys: int,
    values: int,
    cell: int,
) -> TensorSplit:
    """Images `(N, 3, size * cell, size * cell)`, labels `(N, size, size)`, groups: the number of pairs."""
    import torch

    from ablate.data.splits import IGNORED, TensorSplit

    most, half = pairs[-1], cell // 2
    groups = torch.randint(len(pairs), (number,), generator=generator)
    kept = torch.arange(most) < torch.tensor(pairs)[groups].unsqueeze(1)  # (N, most)
    places = distinct_places(number, size**2, 2 * most, generator)
    key = distinct_places(number, keys, most, generator)
    value = torch.randint(values, (number, most), generator=generator)
    pattern = patterns(keys + values, cell)
    canvas = torch.zeros(number, size**2, 3, cell, cell, dtype=torch.uint8)
    image, pair = kept.nonzero(as_tuple=True)
    shown, asked = places[image, pair], places[image, most + pair]
    canvas[image, shown, :, :, :half] = pattern[key[image, pair]]
    canvas[image, shown, :, :, half:] = pattern[keys + value[image, pair]]
    canvas[image, asked, :, :, :half] = pattern[key[image, pair]]
    labels = torch.full((number, size**2), IGNORED)
    labels[image, asked] = value[image, pair]
    labels = labels.view(number, size, size)
    grid = canvas.view(number, size, size, 3, cell, cell).permute(0, 3, 1, 4, 2, 5)
    images = grid.reshape(number, 3, size * cell, size * cell)
    return TensorSplit(images, labels, groups.view(-1, 1, 1).expand(labels.shape))
