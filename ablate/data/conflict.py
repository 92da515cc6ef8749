"""`conflict`: large letters filled with small ones; which of the two a network answers is its shape bias."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ablate.data.drawn import EPOCH, TEST_IMAGES, at_least, drawn_splits
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit

MOVE = 4  # pixels by which a large letter may be off the centre, along each axis


@dataset("conflict", flip=False)
def conflict(
    request: Request,
    *,
    letters: str = "CHLOTVXZ",
    size: int = 64,
    tile: int = 8,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """Large letters filled with small ones; which of the two a network answers is its shape bias.

    The strokes of a large letter are filled with copies of a small one (Navon, 1977). In training images the
    two are the same letter. A test image comes in three groups: `agree`, where they are the same; `shape`,
    where they differ and the large letter is the answer; and `texture`, the same images as `shape` with the
    small letter as the answer. Shape bias (Geirhos et al., 2019) is shape / (shape + texture) of the scores.
    """
    if len(letters) < 2 or len(set(letters.upper())) != len(letters) or not letters.isalpha():
        raise AblateError(f"letters must be two different letters at least, got {letters!r}")
    at_least("tile", tile, 6)
    at_least("size", size, 4 * tile)

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_conflict(generator, number, letters, size, tile)

    def draw_test(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_conflict(generator, number, letters, size, tile, test=True)

    return drawn_splits(draw, letters, ("agree", "shape", "texture"), images, test_images, draw_test)


def draw_conflict(
    generator: torch.Generator, number: int, letters: str, size: int, tile: int, test: bool = False
) -> TensorSplit:
    """Images `(N, 1, size, size)`, labels `(N,)`, groups: 0 in training; a third of the test in each."""
    import torch

    from ablate.data.splits import TensorSplit

    kinds = len(letters)
    third = -(-number // 3) if test else number
    same = torch.randint(kinds, (third,), generator=generator)
    agree = _filled(same, same, letters, size, tile, generator)
    if not test:
        return TensorSplit(agree, same, torch.zeros_like(same))
    shape = torch.randint(kinds, (third,), generator=generator)
    texture = (shape + torch.randint(1, kinds, (third,), generator=generator)) % kinds
    differ = _filled(shape, texture, letters, size, tile, generator)
    images, labels = torch.cat([agree, differ, differ]), torch.cat([same, shape, texture])
    return TensorSplit(images, labels, torch.arange(3).repeat_interleave(third)).select(torch.arange(number))


def _filled(
    shape: Tensor, texture: Tensor, letters: str, size: int, tile: int, generator: torch.Generator
) -> Tensor:
    """Large letters `shape` filled with small letters `texture`, uint8 `(N, 1, size, size)`."""
    import torch

    large, small = _masks(letters, size, tile)
    number, side = len(shape), torch.arange(size)
    phase = torch.randint(tile, (2, number, 1), generator=generator)
    move = torch.randint(-MOVE, MOVE + 1, (2, number, 1), generator=generator)
    image = torch.arange(number).view(-1, 1, 1)
    rows, columns = (side + phase) % tile  # (N, size) each
    filling = small[texture][image, rows.unsqueeze(2), columns.unsqueeze(1)]
    rows, columns = (side + move) % size  # what wraps around is empty margin
    strokes = large[shape][image, rows.unsqueeze(2), columns.unsqueeze(1)]
    noise = torch.randint(32, filling.shape, generator=generator)
    return (noise + strokes * (64 + 159 * filling)).to(torch.uint8).unsqueeze(1)


@lru_cache(maxsize=8)
def _masks(letters: str, size: int, tile: int) -> tuple[Tensor, Tensor]:
    """The strokes of large and small letters, int64 `(letters, size, size)` and `(letters, tile, tile)`."""
    import torch

    large = [_letter(letter, size, size - 2 * MOVE - 2, size // 16) for letter in letters]
    small = [_letter(letter, tile, tile - 1, 0) for letter in letters]
    return torch.stack(large), torch.stack(small)


def _letter(letter: str, size: int, height: int, stroke: int) -> Tensor:
    """A capital, drawn large with Pillow's own font, then fitted into a box `height` pixels high."""
    import numpy as np
    import torch
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
