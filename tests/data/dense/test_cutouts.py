"""Composed images: the boxes are those of the masks, and the splits share no object."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data.dense import dense_names, load_dense
from ablate.data.dense.cutouts import Scenes
from ablate.data.dense.drawings import Pool, clipart_pool, drawn_pool
from ablate.data.dense.grounds import photographs
from ablate.errors import AblateError


@pytest.fixture(scope="module")
def masks() -> object:
    return load_dense("cutouts:drawn", "segmentation", size=64, test_images=7)


@pytest.fixture(scope="module")
def boxes() -> object:
    return load_dense("cutouts:drawn", "detection", size=64)


def test_boxes_and_masks_are_of_the_same_scene(masks, boxes) -> None:
    """Every box is rebuilt from the label map: per class, the boxes together span its pixels exactly."""
    assert masks.classes == ("ground", *boxes.classes)
    objects = 0
    for index in range(30):
        labelled, boxed = masks.train[index], boxes.train[index]
        assert torch.equal(labelled.image, boxed.image)
        assert labelled.image.shape == (3, 64, 64)
        assert set(labelled.mask.unique().tolist()) - {0} == {label + 1 for label in boxed.labels.tolist()}
        for label in boxed.labels.unique().tolist():
            rows, columns = (labelled.mask == label + 1).nonzero(as_tuple=True)
            own = boxed.boxes[boxed.labels == label]
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            spanned = [*own[:, :2].amin(0), *own[:, 2:].amax(0)]
            assert [int(v) for v in spanned] == [int(v) for v in edges]
            assert int(boxed.areas[boxed.labels == label].sum()) == len(rows)
        objects += len(boxed.labels)
    assert objects > 40


def test_a_sample_depends_on_its_index_alone(masks) -> None:
    first, again = masks.train[5], masks.train[5]
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.mask, again.mask)
    assert not torch.equal(first.image, masks.train[6].image)
    assert not torch.equal(first.image, masks.test[5].image)
    assert masks.train[10**6].image.shape == first.image.shape  # composed beyond the length too
    assert (len(masks.test), masks.train.open_ended, masks.test.open_ended) == (7, True, False)


def bytes_of(pool: Pool) -> set[bytes]:
    return {drawing.alpha.tobytes() + bytes(drawing.alpha.shape) for own in pool.drawings for drawing in own}


def test_splits_share_no_drawing() -> None:
    train, test = drawn_pool("train"), drawn_pool("test")
    assert train.classes == test.classes
    assert len(bytes_of(train)) == sum(map(len, train.drawings))
    assert not bytes_of(train) & bytes_of(test)


def test_every_class_appears_and_objects_stay_visible() -> None:
    scenes = Scenes("train", 64, drawn_pool("train"), ())
    seen = set()
    for index in range(80):
        scene = scenes.compose(index)
        seen.update(scene.labels)
        assert all(int(pixels.sum()) >= 11 for pixels in scene.visible)  # 0.7 of 16
        total = sum(pixels.astype(int) for pixels in scene.visible)
        assert np.max(total, initial=0) <= 1  # no pixel belongs to two objects
    assert seen == set(range(8))


def clipart(root: Path, subjects: int = 3, files: int = 10) -> Path:
    random = np.random.default_rng(0)
    for subject, number in product(range(subjects), range(files)):
        pixels = np.zeros((40, 30, 4), dtype=np.uint8)
        pixels[5:30, 4:20] = [*random.integers(0, 255, 3), 255]
        folder = root / f"subject{subject}" / "inner"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def test_clip_art_is_split_by_file(tmp_path: Path) -> None:
    root = clipart(tmp_path)
    train, test = (clipart_pool(split, root, 10) for split in ("train", "test"))
    assert train.classes == test.classes == ("subject0", "subject1", "subject2")
    assert [len(own) for own in train.drawings] == [8, 8, 8]
    assert [len(own) for own in test.drawings] == [2, 2, 2]
    assert train.drawings[0][0].alpha.shape == (25, 16)  # trimmed to what can be seen
    scene = Scenes("train", 64, train, ()).compose(3)
    assert scene.image.shape == (64, 64, 3)
    (root / "subject1" / "inner" / "3.png").write_bytes(b"no image")
    clipart_pool.cache_clear()
    with pytest.raises(AblateError, match=r"3\.png: cannot be read"):
        clipart_pool("train", root, 10)


def test_photographs_are_split_by_picture(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(np.full((50, 70, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    train, test = (photographs(split, (tmp_path,)) for split in ("train", "test"))
    assert [int(picture.mean()) for picture in train] == [0, 1, 3, 4]
    assert [int(picture.mean()) for picture in test] == [2, 5]
    (tmp_path / "5.png").unlink()
    photographs.cache_clear()
    assert photographs("train", (tmp_path,)) == ()


def test_names_and_options() -> None:
    assert dense_names("detection") == ("coco", "cutouts")
    assert dense_names("segmentation") == ("ade20k", "cutouts", "masks", "voc")
    for name, task, message in [
        ("cutout", "detection", "did you mean 'cutouts'"),
        ("voc:x", "detection", "it is not for detection"),
        ("coco", "detection", "coco:PATH"),
        ("cutouts:paper", "detection", "shapes, drawn, clipart"),
    ]:
        with pytest.raises(AblateError, match=message):
            load_dense(name, task)
    with pytest.raises(AblateError, match="at least 32"):
        load_dense("cutouts:drawn", "detection", size=16)
    with pytest.raises(AblateError, match="test_images"):
        load_dense("cutouts:drawn", "detection", test_images=0)
