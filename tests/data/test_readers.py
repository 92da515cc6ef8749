"""Sets that users have as files: SVHN, MedMNIST, and archives."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from ablate.data import StreamSplit, files, inspect, load
from ablate.errors import AblateError


def test_svhn_in_its_own_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import SVHN

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    lists = {}
    for split in ("train", "test"):
        file = tmp_path / f"{split}_32x32.mat"
        scipy.io.savemat(file, {"X": pixels, "y": np.array([[1], [10], [9], [2]])})
        lists[split] = ["", file.name, hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", lists)
    data = load("svhn", data_dir=tmp_path)
    assert data.test.labels.tolist() == [1, 0, 9, 2]  # ten stands for zero in the files
    assert torch.equal(data.train.images, torch.from_numpy(pixels).permute(3, 2, 0, 1))  # type: ignore[union-attr]
    assert (data.flip, data.resolution, len(data.classes)) == (False, (32, 32), 10)
    assert inspect("svhn", data_dir=tmp_path).notes == ()


def medmnist_file(folder: Path, channels: int = 3, **changes: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shape = (28, 28, 3) if channels == 3 else (28, 28)
    arrays = {}
    for split, number in (("train", 6), ("val", 3), ("test", 4)):
        arrays[f"{split}_images"] = random.integers(0, 256, (number, *shape), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(number, dtype=np.uint8) % 3)[:, None]
    np.savez_compressed(folder / "organmnist.npz", **arrays | changes)
    return arrays


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("by_path", [True, False])
def test_medmnist(tmp_path: Path, channels: int, by_path: bool):
    arrays = medmnist_file(tmp_path, channels)
    text = f"medmnist:{tmp_path}/organmnist.npz" if by_path else "medmnist:organmnist"
    data = load(text, data_dir=tmp_path)
    wanted = torch.from_numpy(arrays["test_images"].reshape(4, 28, 28, channels)).permute(0, 3, 1, 2)
    assert torch.equal(data.test.images, wanted)  # type: ignore[union-attr]
    assert data.test.labels.tolist() == [0, 1, 2, 0]
    assert data.for_tuning().test is data.val
    summary = inspect(text, data_dir=tmp_path, classes=3)
    assert summary.images == {"train": 6, "val": 3, "test": 4}
    assert (summary.classes, summary.channels, summary.resolution, summary.per_class) == (
        3,
        channels,
        (28, 28),
        (2, 2),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((6, 28, 28, 28), np.uint8)}, r"train_images are \(6, 28, 28, 28\)"),
        ({"test_labels": np.zeros((4, 14), np.uint8)}, "expected a whole number an image"),
        ({"test_labels": np.full((4, 1), 3, np.uint8)}, "test_labels hold 3; train_labels have 3 classes"),
        ({"test_labels": np.full((4, 1), -1, np.int8)}, "test_labels hold -1; classes are numbered from 0"),
        ({"val_labels": np.zeros((2, 1), np.uint8)}, "val has 3 images and 2 labels"),
        (
            {"val_images": np.zeros((3, 28, 28), np.float32)},
            r"val_images are float32, expected bytes \(uint8\)",
        ),
    ],
)
def test_what_medmnist_files_may_not_be(tmp_path: Path, changes: dict[str, np.ndarray], message: str):
    medmnist_file(tmp_path, **changes)
    for look in (load, inspect):
        with pytest.raises(AblateError, match=message):
            look("medmnist:organmnist", data_dir=tmp_path)


def test_medmnist_files_that_are_none(tmp_path: Path):
    with pytest.raises(AblateError, match=r"no organmnist\.npz in .*zenodo"):
        load("medmnist:organmnist", data_dir=tmp_path)
    (tmp_path / "organmnist.npz").write_bytes(b"PK no archive")
    with pytest.raises(AblateError, match=r"organmnist\.npz: cannot be read"):
        load("medmnist:organmnist", data_dir=tmp_path)
    np.savez(tmp_path / "organmnist.npz", images=np.zeros(3))
    with pytest.raises(AblateError, match=r"not a MedMNIST file"):
        load("medmnist:organmnist", data_dir=tmp_path)
    with pytest.raises(AblateError, match=r"nowhere\.npz: cannot be read"):
        inspect("medmnist:/nowhere.npz")


def archive(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (12, 9), colour).save(stream, "png")
    return stream.getvalue()


def archives(root: Path) -> Path:
    members = {f"{colour}/{index}.png": png(colour) for colour in ("blue", "red") for index in range(3)}
    archive(root / "train.tar", members | {"red/._0.png": b"no image", ".hidden/0.png": b"no image"})
    archive(root / "val.tar", {"red/0.png": png("red"), "blue/0.png": png("blue")})
    return root


@pytest.mark.parametrize("streams", [True, False])
def test_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: bool):
    if streams:
        monkeypatch.setattr(files, "IN_MEMORY", 0)
    data = load(f"tar:{archives(tmp_path)}", resolution=8)
    assert isinstance(data.train, StreamSplit) == streams
    assert data.classes == ("blue", "red")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for images, labels in data.train.batches(torch.tensor([5, 0, 3, 1]), 2):
        for image, label in zip(images, labels, strict=True):
            assert image[:, 4, 4].tolist() == [[0, 0, 255], [255, 0, 0]][label]
    summary = inspect(f"tar:{tmp_path}")
    assert (summary.classes, summary.images, summary.per_class) == (2, {"train": 6, "val": 2}, (3, 3))


def test_archives_in_an_archive(tmp_path: Path):
    """As ImageNet's training images come: one archive a class, all in one."""
    for split in ("train", "val"):
        inner = {}
        for colour in ("blue", "red"):
            archive(tmp_path / "inner.tar", {f"{colour}_{index}.png": png(colour) for index in range(2)})
            inner[f"{colour}.tar"] = (tmp_path / "inner.tar").read_bytes()
        archive(tmp_path / f"{split}.tar", inner)
    data = load(f"tar:{tmp_path}", resolution=8)
    assert data.classes == ("blue", "red")
    images, labels = next(data.test.batches(torch.arange(4), 4))
    assert [[0, 0, 255], [255, 0, 0]][labels[3]] == images[3, :, 0, 0].tolist()


def test_mistakes_in_archives_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AblateError, match=r"needs train\.tar, and val\.tar"):
        inspect(f"tar:{tmp_path}")
    archives(tmp_path)
    archive(tmp_path / "val.tar", {"green/0.png": png("green")})
    with pytest.raises(AblateError, match="do not have the same classes"):
        inspect(f"tar:{tmp_path}")
    archive(tmp_path / "val.tar", {"red/0.png": b"no image", "blue/0.png": png("blue")})
    for limit in (files.IN_MEMORY, 0):
        monkeypatch.setattr(files, "IN_MEMORY", limit)
        with pytest.raises(AblateError, match=r"val\.tar/red/0\.png: cannot be read as an image"):
            load(f"tar:{tmp_path}", resolution=8)
    (tmp_path / "val.tar").write_bytes(b"no archive")
    with pytest.raises(AblateError, match=r"val\.tar: not a tar archive"):
        load(f"tar:{tmp_path}")
