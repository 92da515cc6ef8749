"""Drawn letters: no design on both sides, the same images every time, and letters that can be read."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
import torch
from PIL import Image

from ablate.data import TensorSplit, fonts, glyphs, inspect, load
from ablate.errors import AblateError

FONTS = (
    Path(matplotlib.get_data_path()) / "fonts" / "ttf"
)  # they are on every machine that this project is on


@pytest.fixture(autouse=True)
def no_other_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(glyphs, "SYSTEM", tmp_path / "no fonts")


def pixels(split: object) -> torch.Tensor:
    assert isinstance(split, TensorSplit)
    return split.images


@pytest.mark.parametrize("classes", [26, 62])
def test_the_images_asked_for(classes: int):
    data = load(f"glyphs(classes={classes}, images=620)", data_dir=FONTS, resolution=(20, 24))
    assert pixels(data.train).shape == (620, 3, 20, 24)
    assert (len(data.test), len(data.classes), data.flip) == (124, classes, False)
    counts = data.train.labels.bincount(minlength=classes)
    assert int(counts.max() - counts.min()) <= 1
    assert torch.equal(
        pixels(data.train),
        pixels(load(f"glyphs(classes={classes}, images=620)", data_dir=FONTS, resolution=(20, 24)).train),
    )
    ink = pixels(data.train).float().amax((2, 3)) - pixels(data.train).float().amin((2, 3))
    assert float(ink.amax(1).min()) >= glyphs.CONTRAST / 2, "an image without a letter"


def test_no_design_is_on_both_sides(monkeypatch: pytest.MonkeyPatch):
    used: dict[str, set[Path]] = {}

    def drawn(groups: tuple[fonts.FontGroup, ...], part: str, *rest: object) -> TensorSplit:
        used[part] = {file for group in groups for file in group.files}
        return TensorSplit(torch.zeros(500, 3, 8, 8, dtype=torch.uint8), torch.arange(500) % 26)

    monkeypatch.setattr(glyphs, "_drawn", drawn)
    load("glyphs", data_dir=FONTS)
    assert used["train"]
    assert used["test"]
    assert not used["train"] & used["test"]


def test_one_design_under_two_names_is_one_group(tmp_path: Path):
    """A font that is renamed, byte for byte in its letters, is found out."""
    from fontTools.ttLib import TTFont

    for index, source in enumerate(("cmr10.ttf", "cmss10.ttf", "STIXGeneral.ttf")):
        (tmp_path / f"{index}.ttf").write_bytes((FONTS / source).read_bytes())
    renamed = TTFont(FONTS / "cmss10.ttf")
    for record in renamed["name"].names:
        if record.nameID in (1, 16):
            record.string = "Another Name"
    renamed.save(tmp_path / "renamed.ttf")
    fonts.font_groups.cache_clear()
    groups = {tuple(file.name for file in group.files) for group in fonts.font_groups(tmp_path)}
    assert groups == {("0.ttf",), ("1.ttf", "renamed.ttf"), ("2.ttf",)}


def test_fonts_without_letters_are_left_out(tmp_path: Path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    (tmp_path / "sizes.ttf").write_bytes((FONTS / "STIXSizOneSymReg.ttf").read_bytes())
    fonts.font_groups.cache_clear()
    assert fonts.font_groups(tmp_path) == ()


def test_the_class_is_the_letter():
    """The capital of class k looks like what the font draws for it, more than for any other class."""
    import numpy as np

    group = fonts.FontGroup("cmr", (FONTS / "cmr10.ttf",))
    random = np.random.default_rng(0)
    from ablate.data.fonts import CHARACTERS

    for label in (11, 27, 60):  # B, R, y
        image = glyphs._image(random, group, label, 62, (64, 64)).astype(float)
        ink = np.abs(image - image[0, 0]).sum(2)
        rows, columns = np.nonzero(ink > 0.5 * ink.max())
        crop = Image.fromarray(np.uint8(255 * (ink > 0.5 * ink.max()))).crop(
            (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        )
        font = glyphs._font(group.files[0], 48)
        scores = {}
        for character in CHARACTERS:
            shape = np.asarray(
                Image.fromarray(np.asarray(fonts._ink(font, character) * 255).astype(np.uint8)).resize(
                    (24, 24)
                ),
                float,
            )
            scores[character] = np.abs(shape - np.asarray(crop.resize((24, 24)), float)).mean()
        assert CHARACTERS[label] in sorted(scores, key=scores.__getitem__)[:3]


def test_without_fonts_the_packages_are_named(tmp_path: Path):
    for look in (load, inspect):
        with pytest.raises(
            AblateError, match=r"5 designs at least, and there are 0 .*apt-get install fonts-"
        ):
            look("glyphs", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("glyphs(images=3)", "at least 500"), ("glyphs(size=4)", "from 8 to 1024")]
)
def test_impossible_sizes(text: str, message: str):
    for look in (load, inspect):
        with pytest.raises(AblateError, match=message):
            look(text, data_dir=FONTS)


def test_what_is_said_is_what_is_drawn():
    from dataclasses import replace

    from ablate.data.load import summary_of

    text = "glyphs(images=510, size=12)"
    assert replace(inspect(text, data_dir=FONTS), content="") == replace(
        summary_of(load(text, data_dir=FONTS)), name=text
    )
