"""Fonts of this machine that have all Latin letters and digits, in groups that share no design.

Fonts of one family are one group, and so are families that draw the same letters under two names (Liberation
Sans and Arimo): else letters that a network has trained on would be among those it is judged by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import ImageFont

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SYSTEM = Path("/usr/share/fonts")
ALIKE = 0.16
"""Share of ink in which the letters of two fonts, brought to one size, differ when they are one design."""
NO_LETTERS = ("keyboard", "initials", "symbol", "ornament", "dingbat", "emoji", "icon")
"""Words in the names of families that draw other things in the places of letters."""
_LETTERS = "AEGMQRSaegkqrty"
_PIXELS = 24


@dataclass(frozen=True)
class FontGroup:
    """The font files of one design, in the order of their names; `name` is its first family's."""

    name: str
    files: tuple[Path, ...]


@lru_cache
def font_groups(folder: Path) -> tuple[FontGroup, ...]:
    """All groups of fonts below a folder, in an order that depends on their names alone, and looks random."""
    families: dict[str, list[tuple[Path, Any]]] = {}
    for file in sorted([*folder.rglob("*.ttf"), *folder.rglob("*.otf")]):
        drawn = _drawn(file)
        if drawn is not None:
            family, ink = drawn
            families.setdefault(family, []).append((file, ink))
    names = sorted(families)
    leader = {name: name for name in names}
    for place, name in enumerate(names):
        for other in names[:place]:
            if leader[name] != leader[other] and _alike(families[name], families[other]):
                old, new = leader[name], leader[other]
                leader = {key: new if value == old else value for key, value in leader.items()}
    groups: dict[str, list[Path]] = {}
    for name in names:
        groups.setdefault(leader[name], []).extend(file for file, _ in families[name])
    return tuple(
        FontGroup(name, tuple(sorted(groups[name], key=lambda file: file.name)))
        for name in sorted(groups, key=_shuffled)
    )


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _alike(some: Sequence[tuple[Path, Any]], others: Sequence[tuple[Path, Any]]) -> bool:
    """Whether a font of one family draws as a font of the other does."""
    import numpy as np

    rest = np.stack([ink for _, ink in others])
    return any(bool((_difference(ink, rest) <= ALIKE).any()) for _, ink in some)


def _difference(ink: Any, others: Any) -> Any:
    """Share of ink in which letters differ from those of another font, or of each of several."""
    import numpy as np

    return np.abs(others - ink).sum((-3, -2, -1)) / np.maximum(others, ink).sum((-3, -2, -1))


def _drawn(file: Path) -> tuple[str, Any] | None:
    """The first word of a font's family, and its letters in one size; `None` without all characters."""
    import numpy as np
    from PIL import ImageFont

    try:
        font = ImageFont.truetype(str(file), _PIXELS, layout_engine=ImageFont.Layout.BASIC)
    except OSError:  # no font, or of a kind that FreeType does not know
        return None
    family = font.getname()[0] or file.stem
    if any(word in family.lower() for word in NO_LETTERS):
        return None
    _, top, _, bottom = font.getbbox("E", anchor="mm")
    if not -_PIXELS < top < 0 < bottom < _PIXELS or bottom - top < 0.4 * _PIXELS:
        return None  # made for formulas: its letters hang off the line
    drawn = {bytes(font.getmask(character)) for character in CHARACTERS}
    if bytes(font.getmask("\uffff")) in drawn or len(drawn) < 36 or not all(map(any, drawn)):
        return (
            None  # one is missing, blank, or drawn as another (small letters may be small capitals, no more)
        )
    return family.split()[0], np.stack([_ink(font, letter) for letter in _LETTERS])


def _ink(font: ImageFont.FreeTypeFont, letter: str) -> Any:
    """A letter that fills a square, its ink from 0 to 1."""
    import numpy as np
    from PIL import Image, ImageDraw

    left, top, right, bottom = (round(edge) for edge in font.getbbox(letter))
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), letter, 255, font)
    return np.asarray(image.resize((_PIXELS, _PIXELS), Image.Resampling.BILINEAR), np.float32) / 255
