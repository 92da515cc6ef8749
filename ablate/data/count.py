"""`count`: how many dots an image has."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ablate.data.drawn import Drawing, at_least, distinct_places
from ablate.errors import AblateError

PITCH = 8  # pixels of a field that holds a dot at most, so that no two touch


@dataclass(frozen=True)
class Count:
    """0 to `most` bright dots of 3 x 3 pixels anywhere on dark noise, no two of which touch.

    Every number is as frequent as every other, and the scores are kept by it. A mean over all tokens is all
    it takes, so this is a control for the head more than for the mixer.
    """

    most: int = 9
    size: int = 64

    def __post_init__(self) -> None:
        at_least("most", self.most, 1)
        if self.size % PITCH or (self.size // PITCH) ** 2 < self.most:
            raise AblateError(
                f"size must be a multiple of {PITCH} with room for {self.most} dots, got {self.size}"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(self.most + 1))

    @property
    def group_names(self) -> tuple[str, ...]:
        return self.classes

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
        labels = torch.randint(self.most + 1, (number,), generator=generator)
        images = torch.randint(64, (number, 1, self.size, self.size), generator=generator, dtype=torch.uint8)
        fields = self.size // PITCH
        places = distinct_places(number, fields**2, self.most, generator)
        corner = torch.randint(PITCH - 3, (2, number, self.most), generator=generator)  # a gap stays
        image, dot = (torch.arange(self.most) < labels.unsqueeze(1)).nonzero(as_tuple=True)
        top = places[image, dot] // fields * PITCH + corner[0, image, dot]
        left = places[image, dot] % fields * PITCH + corner[1, image, dot]
        for row in range(3):
            for column in range(3):
                images[image, 0, top + row, left + column] = 255
        return Drawing(images, labels, labels)
