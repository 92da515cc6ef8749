"""From an image file to 8-bit colours, as a viewer shows it; or a refusal that names the file.

* Integers of 16 bits become 8 by division through 257. Floats are levels from 0 (black) to 1 (white); other
  floats, and integers of 32 bits or with a sign, have no range that everybody agrees on, and are refused.
* What is transparent lies on white. EXIF's orientation is followed. Of an animation the first frame counts.
* CMYK is converted without its colour profile, as Pillow does.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ablate.errors import AblateError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

ORIENTATION = 0x0112  # a tag of EXIF
BITS, PHOTOMETRIC = 258, 262  # tags of TIFF
SCALED = ("PNG", "PPM")
"""Formats whose whole numbers Pillow gives in 0..65535, in its mode for 32 bits."""

_Source = str | Path | IO[bytes]


def read_image(source: _Source, name: str | None = None) -> Image.Image:
    """An image in mode RGB, as a viewer shows it. `name` is what an error calls it (default: its path).

    Raises `AblateError` for whatever is no image, is cut, is too large to be meant (Pillow's limit against
    decompression bombs), or has values without a range.
    """
    from PIL import Image

    try:
        with Image.open(source) as image:
            if image.info.get("default_image"):  # a PNG's stand-in where animations are not known
                image.seek(1)
            image.load()
            return _turned(_colours(image), image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise whatever comes to pass in a broken file
        raise unreadable(name or str(source), error) from error


def check_header(source: _Source, name: str | None = None) -> None:
    """Raise `AblateError` when `read_image` would fail, as far as a file's first and last bytes tell.

    Only what looks suspicious is decoded: a JPEG or PNG file without its end, and floats.
    """
    from PIL import Image

    try:
        with Image.open(source) as image:
            _require_range(image)
            stream, kind = image.fp, image.format
            suspicious = image.mode == "F"
            if stream is not None and kind in _ENDS:
                stream.seek(-min(1024, stream.seek(0, 2)), 2)
                suspicious = _ENDS[kind] not in stream.read()
    except Exception as error:
        raise unreadable(name or str(source), error) from error
    if suspicious:
        read_image(source, name)


def unreadable(name: str, error: Exception) -> AblateError:
    """The error that names a file which cannot be read."""
    reason = " ".join(str(error).split()).removesuffix(f" {name!r}") or type(error).__name__
    return AblateError(f"{name}: cannot be read as an image ({reason})")


_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}


def fitted(image: Image.Image, size: tuple[int, int]) -> Tensor:
    """An RGB image as uint8 `(3, *size)`: resized (bilinear, antialiased) to cover it, the centre kept."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    height, width = size
    image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _require_range(image: Image.Image) -> None:
    if image.mode == "I" and image.format not in SCALED:
        raise ValueError(
            "its whole numbers of 32 bits, or with a sign, have no agreed range; save 8 or 16 bits"
        )


def _colours(image: Image.Image) -> Image.Image:
    """A loaded image of any mode as RGB, on white."""
    from PIL import Image

    _require_range(image)
    if image.mode == "F":
        return _grey(image, 1.0)
    if image.mode == "I" or image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(BITS, (16,))[0]  # Pillow has a place for 12 in its 16
        return _grey(image, 2.0**bits - 1)
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":  # Pillow knows the way to RGBA from the plain mode only
        image = image.convert("LA")
    drawn = image.convert("RGBA")
    paper = Image.new("RGBA", drawn.size, "white")
    return Image.alpha_composite(paper, drawn).convert("RGB")


def _grey(image: Image.Image, white: float) -> Image.Image:
    import numpy as np
    from PIL import Image

    levels: Any = np.asarray(image, dtype=np.float64)
    low, high = (float(levels.min()), float(levels.max())) if levels.size else (0.0, 0.0)
    if not 0 <= low <= high <= white:  # false for what is no number, too
        raise ValueError(f"levels from {low:g} to {high:g}, expected 0 to {white:g}")
    if (
        getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0
    ):  # TIFF's "min is white", which Pillow leaves alone here
        levels = white - levels
    return Image.fromarray(np.rint(levels * (255 / white)).astype(np.uint8)).convert("RGB")


def _turned(image: Image.Image, source: Image.Image) -> Image.Image:
    """The image turned and mirrored as its source's EXIF says; one that cannot be read says nothing."""
    from PIL import Image

    try:
        orientation = source.getexif().get(ORIENTATION, 1)
    except Exception:  # viewers show such files upright
        return image
    ways = Image.Transpose
    turn = {
        2: ways.FLIP_LEFT_RIGHT, 3: ways.ROTATE_180, 4: ways.FLIP_TOP_BOTTOM, 5: ways.TRANSPOSE,
        6: ways.ROTATE_270, 7: ways.TRANSVERSE, 8: ways.ROTATE_90,
    }.get(orientation)  # fmt: skip
    return image if turn is None else image.transpose(turn)
