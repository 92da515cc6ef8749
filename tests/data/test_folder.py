from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data import StreamSplit, TensorSplit, load
from ablate.data.folder import image_folder
from ablate.errors import AblateError

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def write(root: Path, splits: tuple[str, ...] = ("train", "val"), number: int = 3) -> Path:
    """Images of one colour, of several sizes and file types, in class folders."""
    for split in splits:
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(number):
                Image.new("RGB", (20 + 4 * index, 16), colour).save(folder / f"{index}.png")
    return root


def test_decoded_once_into_bytes(tmp_path: Path):
    data = load(f"folder:{write(tmp_path)}", resolution=12)
    assert isinstance(data.train, TensorSplit)
    assert data.classes == ("blue", "red")
    assert data.train.images.shape == (6, 3, 12, 12)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for image, label in zip(data.test.images, data.test.labels, strict=True):
        assert tuple(image[:, 5, 5].tolist()) == list(COLOURS.values())[label]
    assert data.mean == pytest.approx((0.5, 0.0, 0.5))
    assert data.val is None


def test_default_resolution_and_plain_path(tmp_path: Path):
    data = load(str(write(tmp_path, number=1)))
    assert data.resolution == (224, 224)
    assert data.flip


def test_three_splits_keep_validation_apart(tmp_path: Path):
    data = load(f"folder:{write(tmp_path, ('train', 'val', 'test'))}", resolution=8)
    assert data.val is not None
    assert data.for_tuning().test is data.val


def test_streaming_gives_the_same_images(tmp_path: Path):
    write(tmp_path)
    decoded, _ = image_folder(tmp_path, (8, 8), workers=0)
    streamed, _ = image_folder(tmp_path, (8, 8), workers=0, in_memory=0)
    assert isinstance(streamed["train"], StreamSplit)
    order = torch.tensor([5, 0, 3])
    for (a, la), (b, lb) in zip(
        decoded["train"].batches(order, 2), streamed["train"].batches(order, 2), strict=True
    ):
        assert torch.equal(a, b)
        assert torch.equal(la, lb)


def test_the_middle_is_kept(tmp_path: Path):
    """A wide image is cropped left and right, not squeezed."""
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    for split in ("train", "val"):
        (tmp_path / split / "only").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / split / "only" / "x.png")
    data = load(f"folder:{tmp_path}", resolution=10)
    assert int(data.train.images.min()) == 255


def test_mistakes_are_named(tmp_path: Path):
    with pytest.raises(AblateError, match="needs train/CLASS"):
        load(f"folder:{tmp_path}")
    write(tmp_path, ("train",))
    with pytest.raises(AblateError, match="needs val/ or test/"):
        load(f"folder:{tmp_path}")
    (tmp_path / "val" / "green").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "val" / "green" / "0.png")
    with pytest.raises(AblateError, match="do not have the same classes"):
        load(f"folder:{tmp_path}")


def test_a_broken_file_is_named(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "train" / "red" / "1.png").write_bytes(b"no image")
    with pytest.raises(AblateError, match=r"1\.png: cannot be read"):
        image_folder(tmp_path, (8, 8), workers=0)
