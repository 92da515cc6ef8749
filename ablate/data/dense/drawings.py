"""Objects to put into composed images: drawings on nothing, in classes, disjoint over splits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ablate.errors import AblateError

SIDE = 96
"""Pixels of a drawing's longer side before it is scaled into an image."""

GLYPHS = "AKS8"
FONTS = {
    "train": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral"),
    "test": ("cmr10", "cmb10", "cmtt10", "DejaVuSansMono-Bold"),
}
"""Font files that come with matplotlib; no family is in both splits, so no drawing of a letter is either."""

VARIANTS = {"train": range(0, 40), "test": range(40, 60)}
"""Numbers of the drawings of a shape; every number is another outline."""

CLIPART = Path("/usr/share/openclipart/png")
"""Where Debian's `openclipart-png` puts its drawings, a folder a subject."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """`alpha` uint8 `(h, w)`; `colours` uint8 `(h, w, 3)`, or `None` where a colour is drawn at each use."""

    alpha: npt.NDArray[Any]
    colours: npt.NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Pool:
    """The drawings of one split: for each class of `classes` a tuple of them."""

    classes: tuple[str, ...]
    drawings: tuple[tuple[Drawing, ...], ...]


Outline = list[tuple[float, float]]


def _regular(corners: int, random: np.random.Generator) -> Outline:
    angles = np.arange(corners) / corners + random.uniform(-0.2, 0.2, corners) / corners
    radii = random.uniform(0.8, 1.0, corners)
    return _polar(angles, radii)


def _star(random: np.random.Generator) -> Outline:
    points = int(random.integers(5, 9))
    radii = np.where(np.arange(2 * points) % 2 == 0, 1.0, random.uniform(0.35, 0.55))
    return _polar(np.arange(2 * points) / (2 * points), radii * random.uniform(0.9, 1.0, 2 * points))


def _disc(random: np.random.Generator) -> Outline:
    return _round(random)


def _round(random: np.random.Generator) -> Outline:
    """A flattened circle that is a little out of round, so that no two are alike."""
    turns = np.arange(48) / 48
    radii = 1 - 0.06 * (1 + np.sin(2 * np.pi * (3 * turns + random.uniform())))
    flat = random.uniform(0.6, 1.0)
    return [(x, y * flat) for x, y in _polar(turns, radii)]


def _ring(random: np.random.Generator) -> Outline:
    inner = random.uniform(0.45, 0.7)
    outside = _round(random)
    outside.append(outside[0])
    return outside + [(x * inner, y * inner) for x, y in reversed(outside)]


SHAPES: dict[str, Callable[[np.random.Generator], Outline]] = {
    "triangle": lambda random: _regular(3, random),
    "star": _star,
    "disc": _disc,
    "ring": _ring,
}


@lru_cache(4)
def shape_pool(split: str) -> Pool:
    """Shapes of the split's numbers: four classes, the same on every machine."""
    shapes = [tuple(_shape(name, number) for number in VARIANTS[split]) for name in SHAPES]
    return Pool(tuple(SHAPES), tuple(shapes))


@lru_cache(4)
def drawn_pool(split: str) -> Pool:
    """Letters of the split's fonts, and shapes of its numbers: eight classes, the same on every machine.

    Raises `AblateError` when matplotlib does not bring its fonts.
    """
    letters = [
        (f"letter {letter}", tuple(_letter(letter, font) for font in FONTS[split])) for letter in GLYPHS
    ]
    names, drawings = zip(*letters, strict=True)
    shapes = shape_pool(split)
    return Pool((*names, *shapes.classes), (*drawings, *shapes.drawings))


@lru_cache(4)
def clipart_pool(split: str, root: Path = CLIPART, least: int = 20) -> Pool:
    """Drawings of Debian's clip art: a class for every subject with `least` of them or more, 16 at most.

    A fifth of each subject's files, by their order, belongs to the test split alone. Raises `AblateError`
    when the package is not there or a file is broken.
    """
    from ablate.data.dense.files import list_images

    if not root.is_dir():
        raise AblateError(f"{root}: there is no such folder; Debian's package openclipart-png brings it")
    subjects: dict[str, tuple[Path, ...]] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = tuple(path for path in list_images(folder) if path.suffix.lower() == ".png")
        if len(files) >= least:
            subjects[folder.name] = files
    largest = sorted(sorted(subjects, key=lambda name: (-len(subjects[name]), name))[:16])
    if len(largest) < 2:
        raise AblateError(f"{root}: needs at least two folders with {least} PNG drawings or more")
    own = {
        name: [f for i, f in enumerate(subjects[name]) if (i % 5 == 4) == (split == "test")]
        for name in largest
    }
    return Pool(tuple(largest), tuple(tuple(_load(file) for file in own[name][:200]) for name in largest))


def _polar(turns: npt.NDArray[Any], radii: npt.NDArray[Any]) -> Outline:
    return [
        (r * math.sin(2 * math.pi * t), -r * math.cos(2 * math.pi * t))
        for t, r in zip(turns, radii, strict=True)
    ]


def _shape(name: str, number: int) -> Drawing:
    random = np.random.default_rng([sum(map(ord, name)), number])
    outline = SHAPES[name](random)
    big = 4 * SIDE  # drawn large and reduced: a smooth edge
    image = Image.new("L", (big, big))
    centre = big / 2
    ImageDraw.Draw(image).polygon(
        [(centre + 0.98 * centre * x, centre + 0.98 * centre * y) for x, y in outline], fill=255
    )
    return Drawing(_trimmed(np.array(image.resize((SIDE, SIDE), Image.Resampling.BOX))))


def _letter(letter: str, font: str) -> Drawing:
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    try:
        face = ImageFont.truetype(str(file), SIDE)
    except OSError as error:
        raise AblateError(f"{file}: cannot be read as a font ({error})") from error
    image = Image.new("L", (3 * SIDE, 3 * SIDE))
    ImageDraw.Draw(image).text((SIDE, SIDE), letter, fill=255, font=face)
    return Drawing(_trimmed(np.array(image)))


def _load(file: Path) -> Drawing:
    try:
        with Image.open(file) as opened:
            opened.thumbnail((SIDE, SIDE))
            pixels = np.array(opened.convert("RGBA"))
    except (OSError, ValueError) as error:
        raise AblateError(f"{file}: cannot be read as an image ({error})") from error
    if not (pixels[..., 3] > 127).any():  # an empty drawing: its ground is the object
        pixels[..., 3] = 255
    rows, columns = _extent(pixels[..., 3])
    return Drawing(pixels[rows, columns, 3].copy(), pixels[rows, columns, :3].copy())


def _trimmed(alpha: npt.NDArray[Any]) -> npt.NDArray[Any]:
    rows, columns = _extent(alpha)
    return alpha[rows, columns].copy()


def _extent(alpha: npt.NDArray[Any]) -> tuple[slice, slice]:
    rows, columns = np.nonzero(alpha.max(1) > 127)[0], np.nonzero(alpha.max(0) > 127)[0]
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
