"""Drawings from folders by subject: capped, without doubles, and each file on one side of the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data import inspect, load, openclipart
from ablate.errors import AblateError


@pytest.fixture
def drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two subjects of 16 drawings, one of them also at another size and one of them huge; a third of two."""
    monkeypatch.setattr(openclipart, "DEBIAN", tmp_path / "not installed")
    random = np.random.default_rng(0)
    for subject in ("animals", "food", "plants", "unsorted"):
        (tmp_path / subject / "more").mkdir(parents=True)
        for index in range(2 if subject == "plants" else 16):
            pixels = random.integers(0, 256, (6, 9, 4), dtype=np.uint8)
            pixels[..., 3] = 255
            image = Image.fromarray(pixels).resize((60, 40), Image.Resampling.NEAREST)
            image.save(tmp_path / subject / "more" / f"{index}.png")
            if index == 0:
                image.resize((120, 80), Image.Resampling.NEAREST).save(tmp_path / subject / "again.png")
    Image.new("RGBA", (3000, 3000)).save(tmp_path / "food" / "huge.png")
    return tmp_path


def test_subjects_with_enough_drawings(drawings: Path):
    data = load("openclipart(least=10)", data_dir=drawings, resolution=16)
    assert data.classes == ("animals", "food")
    assert data.train.labels.bincount().tolist() == [12, 12]
    assert data.test.labels.bincount().tolist() == [4, 4]
    images = np.concatenate([data.train.images.numpy(), data.test.images.numpy()])  # type: ignore[union-attr]
    assert len({image.tobytes() for image in images}) == len(images)
    capped = load("openclipart(least=10, cap=8)", data_dir=drawings, resolution=16)
    assert capped.train.labels.bincount().tolist() == [6, 6]


def test_the_whole_drawing_is_shown(drawings: Path):
    data = load("openclipart(least=10)", data_dir=drawings, resolution=60)
    images = data.test.images  # type: ignore[union-attr]
    assert (images[:, :, :8] == 255).all(), "white above a drawing that is wider than high"
    assert (images[:, :, 25:35] != 255).any((1, 2, 3)).all()


def test_what_is_known_before(drawings: Path):
    summary = inspect("openclipart(least=10)", data_dir=drawings, classes=2)
    assert (summary.class_names, summary.images) == (("animals", "food"), {"train": 27, "test": 8})


def test_where_it_is_not_installed(drawings: Path, tmp_path: Path):
    for look in (load, inspect):
        with pytest.raises(AblateError, match=r"apt-get install openclipart-png"):
            look("openclipart", data_dir=tmp_path / "animals")
        with pytest.raises(AblateError, match="0 of the subjects"):
            look("openclipart(least=100)", data_dir=drawings)


def test_debians_drawings():
    if not openclipart.DEBIAN.is_dir():
        pytest.skip(f"there is no {openclipart.DEBIAN}")
    data = load("openclipart(cap=8)", resolution=24)
    assert {"animals", "food", "people"} <= set(data.classes)
    assert data.train.labels.bincount().tolist() == [6] * len(data.classes)
