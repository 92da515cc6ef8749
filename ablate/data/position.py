"""`position`: in which part of the image a dot is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.drawn import EPOCH, TEST_IMAGES, at_least, drawn_splits
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit


@dataset("position", flip=False)
def position(
    request: Request,
    *,
    fields: int = 4,
    size: int = 32,
    dot: int = 4,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """In which of `fields` x `fields` parts of the image a bright dot is.

    The dot of `dot` x `dot` pixels on dark noise lies on a grid of its own size, so that no token sees more
    of it than another. Only places make the answers differ: an operator that treats all tokens alike, under a
    head that averages them, is at chance; padding tells a convolution about the border, as far as it reaches.
    Scores are kept for parts at the border and for the inner ones.
    """
    at_least("fields", fields, 2)
    at_least("dot", dot, 1)
    if size % (fields * dot):
        raise AblateError(f"size must be a multiple of {fields * dot}, got {size}")

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_position(generator, number, fields, size, dot)

    names = [f"row {row}, column {column}" for row in range(fields) for column in range(fields)]
    return drawn_splits(draw, names, ["border", "inner"][: fields - 1], images, test_images)


def draw_position(generator: torch.Generator, number: int, fields: int, size: int, dot: int) -> TensorSplit:
    """Images `(N, 1, size, size)`, labels `(N,)`, groups: 1 for inner parts."""
    import torch

    from ablate.data.splits import TensorSplit

    images = torch.randint(64, (number, 1, size, size), generator=generator, dtype=torch.uint8)
    cells = size // dot
    row, column = torch.randint(cells, (2, number), generator=generator)
    index = torch.arange(number)
    for down in range(dot):
        for right in range(dot):
            images[index, 0, row * dot + down, column * dot + right] = 255
    part = cells // fields
    row, column = row // part, column // part
    inner = (row > 0) & (row < fields - 1) & (column > 0) & (column < fields - 1)
    return TensorSplit(images, row * fields + column, inner.long())
