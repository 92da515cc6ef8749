"""`count`: how many dots an image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.data.drawn import EPOCH, TEST_IMAGES, at_least, distinct_places, drawn_splits
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit

PITCH = 8  # pixels of a field that holds a dot at most, so that no two touch


@dataset("count", flip=False)
def count(
    request: Request,
    *,
    most: int = 9,
    size: int = 32,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """How many dots an image has, from none to `most`.

    Bright dots of 3 x 3 pixels anywhere on dark noise, no two of which touch. Every number is as frequent as
    every other, and the scores are kept by it. A mean over all tokens is all it takes, so this is a control
    for the head more than for the mixer.
    """
    at_least("most", most, 1)
    if size % PITCH or (size // PITCH) ** 2 < most:
        raise AblateError(f"size must be a multiple of {PITCH} with room for {most} dots, got {size}")

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_count(generator, number, most, size)

    names = [str(number) for number in range(most + 1)]
    return drawn_splits(draw, names, [f"{name} dots" for name in names], images, test_images)


def draw_count(generator: torch.Generator, number: int, most: int, size: int) -> TensorSplit:
    """Images `(N, 1, size, size)`, labels `(N,)`, groups: the number of dots."""
    import torch

    from ablate.data.splits import TensorSplit

    labels = torch.randint(most + 1, (number,), generator=generator)
    images = torch.randint(64, (number, 1, size, size), generator=generator, dtype=torch.uint8)
    fields = size // PITCH
    places = distinct_places(number, fields**2, most, generator)
    corner = torch.randint(PITCH - 3, (2, number, most), generator=generator)  # a gap stays
    image, dot = (torch.arange(most) < labels.unsqueeze(1)).nonzero(as_tuple=True)
    top = places[image, dot] // fields * PITCH + corner[0, image, dot]
    left = places[image, dot] % fields * PITCH + corner[1, image, dot]
    for row in range(3):
        for column in range(3):
            images[image, 0, top + row, left + column] = 255
    return TensorSplit(images, labels, labels)
