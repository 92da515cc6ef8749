from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data import StreamSplit, TensorSplit, inspect, load
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


def test_a_broken_file_is_named_before_a_stream_begins(tmp_path: Path):
    write(tmp_path)
    whole = (tmp_path / "val" / "red" / "2.png").read_bytes()
    (tmp_path / "val" / "red" / "2.png").write_bytes(whole[: len(whole) // 2])
    for workers in (0, 2):
        with pytest.raises(AblateError, match=r"red/2\.png: cannot be read"):
            image_folder(tmp_path, (8, 8), workers=workers, in_memory=0)


def test_the_reason_of_a_failed_cell_names_the_file(tmp_path: Path):
    from ablate.run.worker import guarded

    write(tmp_path)
    (tmp_path / "train" / "blue" / "9.png").touch()
    outcome = guarded(lambda job, progress: load(f"folder:{tmp_path}"), {}, lambda fraction: None)  # type: ignore[arg-type,return-value]
    assert outcome["status"] == "error"
    assert f"{tmp_path}/train/blue/9.png: cannot be read as an image" in outcome["reason"]


def test_names_with_a_dot_are_no_data(tmp_path: Path):
    write(tmp_path)
    before = load(f"folder:{tmp_path}", resolution=8)
    for place in ("train/.ipynb_checkpoints", "train/red/.thumbs", "train/red/deep/.more", "val/.cache"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "0.png").write_bytes(b"no image")
    for name in ("train/red/._0.png", "train/red/.DS_Store", "train/.0.png", "val/blue/.hidden.jpg"):
        (tmp_path / name).write_bytes(b"no image")
    after = load(f"folder:{tmp_path}", resolution=8)
    assert after.classes == before.classes
    assert torch.equal(after.train.labels, before.train.labels)
    assert torch.equal(after.test.labels, before.test.labels)


def test_images_at_any_depth_and_of_any_kind(tmp_path: Path):
    write(tmp_path, number=1)
    (tmp_path / "train" / "red" / "a" / "b").mkdir(parents=True)
    for name in ("a/b/x.gif", "a/y.JPEG", "z.webp"):
        Image.new("RGB", (9, 9), "red").save(tmp_path / "train" / "red" / name)
    (tmp_path / "train" / "red" / "a" / "again").symlink_to(tmp_path / "train" / "red" / "a")
    (tmp_path / "train" / "red" / "notes.txt").write_text("none of the images")
    data = load(f"folder:{tmp_path}", resolution=8)
    assert data.train.labels.tolist() == [0, 1, 1, 1, 1]


def test_a_link_to_nothing_is_named(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "train" / "red" / "gone.png").symlink_to(tmp_path / "moved.png")
    for look in (load, inspect):
        with pytest.raises(AblateError, match=r"gone\.png: a link to .*moved\.png, which is not there"):
            look(f"folder:{tmp_path}")


def test_what_is_known_before(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "train" / "red" / "2.png").unlink()
    (tmp_path / "train" / "red" / "notes.txt").touch()
    summary = inspect(f"folder:{tmp_path}", classes=2)
    assert summary.images == {"train": 5, "val": 6}
    assert (summary.classes, summary.class_names, summary.per_class) == (2, ("blue", "red"), (2, 3))
    assert "1 files are no images" in summary.notes[0]
    assert "notes.txt" in summary.notes[0]
    (tmp_path / "train" / "blue" / "3.png").write_bytes((tmp_path / "train" / "blue" / "2.png").read_bytes())
    assert inspect(f"folder:{tmp_path}").content != summary.content
    (tmp_path / "train" / "blue" / "3.png").unlink()
    assert inspect(f"folder:{tmp_path}").content == summary.content
    with pytest.raises(AblateError, match="has 2 classes, but the study says 1"):
        inspect(f"folder:{tmp_path}", classes=1)


def test_mistakes_are_named_before(tmp_path: Path):
    with pytest.raises(AblateError, match="nowhere: no such folder"):
        inspect(f"folder:{tmp_path}/nowhere")
    write(tmp_path)
    (tmp_path / "train" / "green").mkdir()
    with pytest.raises(AblateError, match=r"green: a class without an image \(no file\)"):
        inspect(str(tmp_path))
    (tmp_path / "train" / "green" / "a.heic").touch()
    with pytest.raises(
        AblateError, match=r"green: a class without an image \(only other files, as a\.heic\)"
    ):
        inspect(str(tmp_path))
    (tmp_path / "train" / "green" / "a.heic").unlink()
    (tmp_path / "train" / "green").rmdir()
    (tmp_path / "val" / "red" / "0.png").write_bytes(b"")
    with pytest.raises(AblateError, match=r"red/0\.png: cannot be read"):
        inspect(str(tmp_path))
