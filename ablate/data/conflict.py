"""`conflict`: large letters filled with small ones; which of the two a network answers is its shape bias."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ablate.data.drawn import Drawing, at_least
from ablate.errors import AblateError

MOVE = 4  # pixels by which a large letter may be off the centre, along each axis


@dataclass(frozen=True)
class Conflict:
    """A large letter whose strokes are filled with copies of a small letter (Navon, 1977).

    In training images the two are the same letter. A test image comes in three groups: `agree`, where they
    are the same; `shape`, where they differ and the large letter is the answer; and `texture`, the same
    images as `shape` with the small letter as the answer. Shape bias (Geirhos et al., 2019) is
    shape / (shape + texture) of the scores of the last two.
    """

    letters: str = "CHLOTVXZ"
    size: int = 64
    tile: int = 8

    def __post_init__(self) -> None:
        if len(self.letters) < 2 or len(set(self.letters)) != len(self.letters) or not self.letters.isalpha():
            raise AblateError(f"letters must be two different letters at least, got {self.letters!r}")
        at_least("tile", self.tile, 6)
        at_least("size", self.size, 4 * self.tile)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.letters)

    @property
    def group_names(self) -> tuple[str, ...]:
        return ("agree", "shape", "texture")

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
        """Images `(N, 1, size, size)`, labels `(N,)`; a third of the test images in each group."""
        kinds = len(self.letters)
        if not test:
            labels = torch.randint(kinds, (number,), generator=generator)
            return Drawing(self._images(labels, labels, generator), labels, torch.zeros_like(labels))
        third = max(1, number // 3)
        same = torch.randint(kinds, (third,), generator=generator)
        shape = torch.randint(kinds, (third,), generator=generator)
        texture = (shape + torch.randint(1, kinds, (third,), generator=generator)) % kinds
        agree, differ = self._images(same, same, generator), self._images(shape, texture, generator)
        groups = torch.arange(3).repeat_interleave(third)
        return Drawing(torch.cat([agree, differ, differ]), torch.cat([same, shape, texture]), groups)

    def _images(self, shape: Tensor, texture: Tensor, generator: torch.Generator) -> Tensor:
        large, small = _masks(self.letters, self.size, self.tile)
        number, side = len(shape), torch.arange(self.size)
        phase = torch.randint(self.tile, (2, number, 1), generator=generator)
        move = torch.randint(-MOVE, MOVE + 1, (2, number, 1), generator=generator)
        image = torch.arange(number).view(-1, 1, 1)
        rows, columns = (((side + offset) % self.tile) for offset in phase)  # (N, size)
        filling = small[texture][image, rows.unsqueeze(2), columns.unsqueeze(1)]
        rows, columns = (((side + offset) % self.size) for offset in move)  # the margin is empty
        strokes = large[shape][image, rows.unsqueeze(2), columns.unsqueeze(1)]
        noise = torch.randint(32, filling.shape, generator=generator)
        return (noise + strokes * (64 + 159 * filling)).to(torch.uint8).unsqueeze(1)


@lru_cache(maxsize=8)
def _masks(letters: str, size: int, tile: int) -> tuple[Tensor, Tensor]:
    """The strokes of large and small letters, int64 `(letters, size, size)` and `(letters, tile, tile)`."""
    large = [_letter(letter, size, size - 2 * MOVE - 2, size // 16) for letter in letters]
    small = [_letter(letter, tile, tile - 1, 0) for letter in letters]
    return torch.stack(large), torch.stack(small)


def _letter(letter: str, size: int, height: int, stroke: int) -> Tensor:
    """A capital, drawn large with Pillow's own font, then fitted into a box `height` pixels high."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=200)
    canvas = Image.new("L", (400, 400))
    width = round(200 * stroke / size) if stroke else 0
    ImageDraw.Draw(canvas).text((200, 200), letter.upper(), 255, font, anchor="mm", stroke_width=width)
    box = canvas.getbbox()
    assert box is not None, letter
    fitted = canvas.crop(box).resize((height, height), Image.Resampling.BOX)
    mask = torch.zeros(size, size, dtype=torch.int64)
    start = (size - height) // 2
    mask[start : start + height, start : start + height] = torch.from_numpy(np.array(fitted) > 110).long()
    return mask
