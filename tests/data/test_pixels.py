"""Image files as a viewer shows them: every mode, orientation and kind of broken file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from ablate.data.pixels import check_header, fitted, read_image
from ablate.errors import AblateError

RAMP = np.linspace(0, 1, 1200).reshape(30, 40)
WANTED = np.rint(RAMP * 255)


def grey(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    assert image.mode == "RGB"
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    return pixels[..., 0].astype(float)


def sixteen(kind: str) -> Image.Image:
    return Image.fromarray(np.rint(RAMP * 65535).astype(kind))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "jp2"])
def test_sixteen_bits_are_a_ramp(tmp_path: Path, suffix: str):
    file = tmp_path / f"ramp.{suffix}"
    sixteen("<u2").save(file, **({"irreversible": False} if suffix == "jp2" else {}))
    check_header(file)
    assert np.abs(grey(read_image(file)) - WANTED).max() <= 1


def test_sixteen_bits_of_either_byte_order(tmp_path: Path):
    for order in "<>":
        data = np.rint(RAMP * 65535).astype(f"{order}u2").tobytes()
        mark = b"II*\0" if order == "<" else b"MM\0*"
        tags = [
            (256, 40),
            (257, 30),
            (258, 16),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, 1),
            (278, 30),
            (279, len(data)),
        ]
        entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
        directory = struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4
        file = tmp_path / "ramp.tif"
        file.write_bytes(mark + struct.pack(f"{order}I", 8 + len(data)) + data + directory)
        assert np.abs(grey(read_image(file)) - WANTED).max() <= 1


def test_white_may_be_zero(tmp_path: Path):
    information = TiffImagePlugin.ImageFileDirectory_v2()
    information[262] = 0  # "min is white"
    for name, image in {"16": sixteen("<u2"), "float": Image.fromarray(RAMP.astype("f4"))}.items():
        image.save(tmp_path / f"{name}.tif", tiffinfo=information)
        assert np.abs(grey(read_image(tmp_path / f"{name}.tif")) - (255 - WANTED)).max() <= 1, name


def test_floats_from_zero_to_one(tmp_path: Path):
    Image.fromarray(RAMP.astype("f4")).save(tmp_path / "ramp.tif")
    assert np.abs(grey(read_image(tmp_path / "ramp.tif")) - WANTED).max() <= 1


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        (RAMP.astype("f4") * 255, "levels from 0 to 255, expected 0 to 1"),
        (np.full((4, 4), np.nan, "f4"), "levels from nan to nan"),
        ((RAMP * 255).astype("i4"), "have no agreed range; save 8 or 16 bits"),
    ],
)
def test_levels_without_a_range_are_refused(tmp_path: Path, levels: np.ndarray, reason: str):
    file = tmp_path / "levels.tif"
    Image.fromarray(levels).save(file)
    for read in (read_image, check_header):
        with pytest.raises(AblateError) as error:
            read(file)
        assert str(error.value).startswith(f"{file}: cannot be read as an image (")
        assert reason in str(error.value)


def quarters() -> np.ndarray:
    """Red, green, blue and yellow, row by row: tells every turn and mirror apart."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:10, :20], pixels[:10, 20:], pixels[10:, :20], pixels[10:, 20:] = (
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0),
    )  # fmt: skip
    return pixels


# how the stored pixels are to be turned, after the table of the EXIF standard (first row, first column)
SHOWN = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p[::-1].transpose(1, 0, 2),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: p[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_orientation(tmp_path: Path, suffix: str, orientation: int):
    image = Image.fromarray(quarters())
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    image.save(tmp_path / f"x.{suffix}", exif=exif, **options)
    shown = np.asarray(read_image(tmp_path / f"x.{suffix}")).astype(int)
    wanted = SHOWN[orientation](quarters())
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).max() <= 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_turns_nothing(tmp_path: Path):
    Image.fromarray(quarters()).save(
        tmp_path / "x.jpg", exif=b"Exif\0\0MM\0*\0\0\xff\xff", quality=100, subsampling=0
    )
    assert np.abs(np.asarray(read_image(tmp_path / "x.jpg")).astype(int) - quarters()).max() <= 4


def transparent(mode: str) -> Image.Image:
    """Left half black and opaque, right half black and gone: on white, a viewer shows black beside white."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, :4] = 255
    if mode == "P":
        image = Image.fromarray((alpha == 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.info["transparency"] = 1
        return image
    if mode in ("L", "RGB"):
        values = np.where(alpha == 255, 0, 9).astype(np.uint8)
        image = Image.fromarray(values).convert(mode)
        image.info["transparency"] = 9 if mode == "L" else (9, 9, 9)
        return image
    image = Image.new(mode, (8, 8))
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_what_is_transparent_lies_on_white(tmp_path: Path, mode: str):
    image = transparent(mode)
    image.save(
        tmp_path / "x.png",
        **({"transparency": image.info["transparency"]} if "transparency" in image.info else {}),
    )
    shown = grey(read_image(tmp_path / "x.png"))
    assert (shown[:, :4] == 0).all()
    assert (shown[:, 4:] == 255).all()


def test_half_transparent_is_mixed(tmp_path: Path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(tmp_path / "x.png")
    assert np.abs(np.asarray(read_image(tmp_path / "x.png"))[0, 0].astype(int) - (255, 127, 127)).max() <= 1


def test_palette_one_bit_and_cmyk(tmp_path: Path):
    Image.fromarray(quarters()).quantize(8).save(tmp_path / "palette.png")
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100, subsampling=0)
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "cmyk.tif")
    for name in ("palette.png", "cmyk.jpg", "cmyk.tif"):
        assert np.abs(np.asarray(read_image(tmp_path / name)).astype(int) - quarters()).max() <= 4, name
    Image.fromarray(RAMP > 0.5).save(tmp_path / "bits.png")
    Image.fromarray(RAMP > 0.5).save(tmp_path / "bits.tif")
    for name in ("bits.png", "bits.tif"):
        assert np.array_equal(grey(read_image(tmp_path / name)), 255 * (RAMP > 0.5)), name


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_an_animation(tmp_path: Path, suffix: str):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert read_image(tmp_path / f"x.{suffix}").getpixel((3, 3)) == (255, 0, 0)


def test_the_stand_in_of_an_animated_png_is_not_shown(tmp_path: Path):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("white", "red", "blue")]
    frames[0].save(tmp_path / "x.png", save_all=True, append_images=frames[1:], default_image=True)
    assert read_image(tmp_path / "x.png").getpixel((3, 3)) == (255, 0, 0)


def png_of(width: int, height: int) -> bytes:
    """The header of a PNG file that claims to be as large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def encoded(suffix: str) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, suffix)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="no image"),
        pytest.param(encoded("jpeg")[:900], id="cut jpeg"),
        pytest.param(encoded("png")[:900], id="cut png"),
        pytest.param(png_of(100_000, 100_000), id="bomb"),
        pytest.param(encoded("png")[:20], id="cut header"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "1.png"
    file.write_bytes(content)
    for read in (read_image, check_header):
        with pytest.raises(AblateError) as error:
            read(file)
        assert str(error.value).startswith(f"{file}: cannot be read as an image (")
        assert "\n" not in str(error.value)


def test_good_files_with_strange_ends_are_good(tmp_path: Path):
    (tmp_path / "x.jpg").write_bytes(encoded("jpeg") + b"\0" * 5000)
    check_header(tmp_path / "x.jpg")


def test_a_missing_file_is_named_once(tmp_path: Path):
    with pytest.raises(AblateError) as error:
        read_image(tmp_path / "none.png")
    assert str(error.value).count("none.png") == 1


def test_fitted_covers_and_keeps_the_middle():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = (1, 2, 3)
    image = fitted(Image.fromarray(pixels), (10, 10))
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1).expand(3, 10, 10))
