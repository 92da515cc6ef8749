"""`glyphs`: letters and digits in many typefaces, judged on typefaces that no training has seen.

Every image is one character of one font of this machine, of random size, place, turn and colours. A design is
in the training or in the test part, never in both (`ablate.data.fonts`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ablate.data.fonts import CHARACTERS, SYSTEM, FontGroup, font_groups
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary, content_of
from ablate.errors import AblateError

if TYPE_CHECKING:
    import numpy as np

    from ablate.data.dataset import Splits, TensorSplit

LEAST = 5
"""Designs without which there is nothing to generalise over."""
CONTRAST = 64
"""Least distance in brightness, of 255, between a letter and its ground."""


def summary(
    request: Request, *, classes: Literal[26, 62] = 26, images: int = 10_000, size: int = 32
) -> Summary:
    """What `glyphs` will draw: the fonts are looked for, nothing is drawn."""
    _check(images, size)
    fonts = [
        file for folder in _folders(request) for kind in ("*.ttf", "*.otf") for file in folder.rglob(kind)
    ]
    if not fonts:
        raise _too_few(request, 0)
    share = images // classes
    return Summary(
        "glyphs",
        classes,
        {"train": images, "test": images // 5},
        3,
        request.resolution or (size, size),
        _classes(classes),
        (share, share + (images % classes > 0)),
        content=content_of(Path("/"), fonts),
    )


@dataset("glyphs", flip=False, inspect=summary)
def glyphs(
    request: Request, *, classes: Literal[26, 62] = 26, images: int = 10_000, size: int = 32
) -> Splits:
    """Letters drawn with this machine's fonts, split by typeface: 26 letters, or 62 with digits and case.

    With 26 classes a small letter is of its capital's class. `images` training images and a fifth as many
    test images; a quarter of the designs is kept for the test. They are drawn at the resolution that is asked
    for (`size` pixels where none is). Fonts are those below `data_dir` if there are enough, else this
    system's. Raises `AblateError` where there are less than five designs.
    """
    from ablate.data.dataset import Splits

    _check(images, size)
    groups = _groups(request)
    held_out = max(1, len(groups) // 4)
    shape = request.resolution or (size, size)
    test = _drawn(groups[:held_out], "test", images // 5, classes, shape)
    return Splits(_drawn(groups[held_out:], "train", images, classes, shape), test, _classes(classes))


def _check(images: int, size: int) -> None:
    if images < 500:
        raise AblateError(f"glyphs: images must be at least 500, got {images}")
    if not 8 <= size <= 1024:
        raise AblateError(f"glyphs: size must be from 8 to 1024 pixels, got {size}")


def _classes(number: int) -> tuple[str, ...]:
    return tuple(CHARACTERS) if number == 62 else tuple(CHARACTERS[10:36])


def _folders(request: Request) -> list[Path]:
    return [SYSTEM] if request.data_dir is None else [request.data_dir, SYSTEM]


def _groups(request: Request) -> tuple[FontGroup, ...]:
    most: tuple[FontGroup, ...] = ()
    for folder in _folders(request):
        groups = font_groups(folder)
        if len(groups) >= LEAST:
            return groups
        most = max(most, groups, key=len)
    raise _too_few(request, len(most))


def _too_few(request: Request, number: int) -> AblateError:
    places = " or ".join(str(folder) for folder in _folders(request))
    return AblateError(
        f"glyphs needs fonts of {LEAST} designs at least, and there are {number} below {places}; on Debian: "
        f"apt-get install fonts-liberation fonts-freefont-ttf fonts-lato fonts-cantarell fonts-comfortaa"
    )


def _drawn(
    groups: tuple[FontGroup, ...], part: str, number: int, classes: int, shape: tuple[int, int]
) -> TensorSplit:
    """`number` images in which classes and designs have equal shares."""
    import numpy as np
    import torch

    from ablate.data.splits import TensorSplit

    random = np.random.default_rng([number, classes, sum(part.encode())])
    labels = random.permutation(np.arange(number) % classes)
    pixels = np.stack(
        [
            _image(random, groups[int(random.integers(len(groups)))], int(label), classes, shape)
            for label in labels
        ]
    )
    return TensorSplit(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long()
    )


def _image(
    random: np.random.Generator, group: FontGroup, label: int, classes: int, shape: tuple[int, int]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One character on a plain ground, uint8 `(H, W, 3)`."""
    import numpy as np
    from PIL import Image, ImageDraw

    character = CHARACTERS[label if classes == 62 else 10 + label + 26 * int(random.integers(2))]
    side = min(shape)
    font = _font(
        group.files[int(random.integers(len(group.files)))], max(6, round(side * random.uniform(0.55, 0.9)))
    )
    ink = Image.new("L", (shape[1], shape[0]))
    middle = (
        shape[1] / 2 + side * random.uniform(-0.1, 0.1),
        shape[0] / 2 + side * random.uniform(-0.1, 0.1),
    )
    ImageDraw.Draw(ink).text(middle, character, 255, font, anchor="mm")
    ink = ink.rotate(random.uniform(-12, 12), Image.Resampling.BILINEAR, center=middle)
    ground, colour = _two_colours(random)
    alpha = np.asarray(ink, np.float32)[..., None] / 255
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = np.rint(ground + (colour - ground) * alpha).astype(np.uint8)
    return pixels


def _two_colours(random: np.random.Generator) -> tuple[Any, Any]:
    """Ground and letter: any two colours whose brightness differs enough to be read."""
    while True:
        ground, colour = random.integers(0, 256, (2, 3)).astype("float32")
        if abs(float((ground - colour) @ (0.299, 0.587, 0.114))) >= CONTRAST:
            return ground, colour


@lru_cache(maxsize=512)
def _font(file: Path, pixels: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(file), pixels, layout_engine=ImageFont.Layout.BASIC)
