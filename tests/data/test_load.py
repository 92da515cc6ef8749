import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.data import fashion_mnist, load, names
from ablate.errors import AblateError


def test_names_and_suggestions():
    assert {"digits", "fashion-mnist", "cifar10", "cifar100", "folder"} <= set(names())
    with pytest.raises(AblateError, match="did you mean 'fashion-mnist'"):
        load("fashion-mnits")
    with pytest.raises(AblateError, match="unknown dataset 'imagenet'"):
        load("imagenet")


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    data = load("digits")
    assert (len(data.train), len(data.test), data.channels, data.native_resolution) == (1201, 596, 1, (8, 8))
    assert len(data.classes) == 10
    assert not data.flip
    source = load_digits()
    images = {np.round(image * 255 / 16).astype(np.uint8).tobytes() for image in source.images}
    ours = torch.cat([data.train.images, data.test.images])
    assert {image.numpy().tobytes() for image in ours} == images
    assert int(ours.min()) == 0
    assert int(ours.max()) == 255
    counts = torch.bincount(torch.tensor(source.target))
    assert torch.equal(torch.bincount(data.test.labels), counts // 3)


def test_subset_is_stratified_and_fixed():
    first, second = load("digits", subset=300), load("digits", subset=300)
    assert torch.equal(first.train.images, second.train.images)
    assert torch.bincount(first.train.labels).min() >= 28
    other = load("digits", subset=300, seed=1)
    assert not torch.equal(first.train.images, other.train.images)
    assert len(first.test) == 596
    with pytest.raises(AblateError, match="cannot take 5,000 of 1,201"):
        load("digits", subset=5000)


def test_resolution_changes_every_split_once():
    data = load("digits", resolution=16)
    assert data.resolution == (16, 16)
    assert data.native_resolution == (8, 8)
    assert data.train.images.shape == (1201, 1, 16, 16)
    assert data.test.images.shape[-2:] == (16, 16)
    with pytest.raises(AblateError, match="resolution"):
        load("digits", resolution=0)


def write_idx(path: Path, array: np.ndarray, zipped: bool = True) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    data = head + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if zipped:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


@pytest.mark.parametrize("below", ["", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_fashion_mnist_from_a_data_dir(tmp_path: Path, below: str, zipped: bool):
    wanted = np.random.default_rng(0).integers(0, 256, (4, 28, 28))
    for images, labels in fashion_mnist.FILES.values():
        write_idx(tmp_path / below / images, wanted, zipped)
        write_idx(tmp_path / below / labels, np.array([3, 1, 4, 1]), zipped)
    data = load("fashion-mnist", data_dir=tmp_path)
    assert torch.equal(data.train.images[:, 0], torch.from_numpy(wanted.astype(np.uint8)))
    assert data.test.labels.tolist() == [3, 1, 4, 1]
    assert data.test.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello world", "not an IDX file"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 9]) + b"1234", "4 bytes of data where its header says"),
    ],
)
def test_broken_idx_files_are_named(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(AblateError, match=message):
        fashion_mnist.read_idx(tmp_path / "broken")
    (tmp_path / "half.gz").write_bytes(gzip.compress(content)[:-6])
    with pytest.raises(AblateError, match=r"half\.gz"):
        fashion_mnist.read_idx(tmp_path / "half")


def test_without_files_and_network_the_three_ways_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torchvision

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "nothing")
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", offline)
    with pytest.raises(AblateError, match=r"no network.*--data-dir.*dataset-fashion-mnist.*torchvision"):
        load("fashion-mnist", data_dir=tmp_path)


def test_fashion_mnist_itself():
    if not fashion_mnist.complete(fashion_mnist.DEBIAN):
        pytest.skip(f"Fashion-MNIST is not in {fashion_mnist.DEBIAN}")
    data = load("fashion-mnist")
    assert (len(data.train), len(data.test), data.resolution) == (60000, 10000, (28, 28))
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    # the figures that everybody normalises with
    assert data.mean[0] == pytest.approx(0.2860, abs=1e-4)
    assert data.std[0] == pytest.approx(0.3530, abs=1e-4)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def fake_cifar(
    folder: Path, kind: type, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> dict[str, np.ndarray]:
    """Files in torchvision's format, five training batches or one; its checksums are set to theirs."""
    base = folder / kind.base_folder
    base.mkdir(parents=True)
    key = "fine_labels" if fine else "labels"
    random = np.random.default_rng(0)
    pixels = {}
    lists: dict[str, list[list[str]]] = {}
    for attribute in ("train_list", "test_list"):
        lists[attribute] = []
        for name, _ in getattr(kind, attribute):
            data = random.integers(0, 256, (3, 3072), dtype=np.uint8)
            pixels[name] = data
            (base / name).write_bytes(pickle.dumps({"data": data, key: [0, 1, 9]}))
            lists[attribute].append([name, md5(base / name)])
        monkeypatch.setattr(kind, attribute, lists[attribute])
    meta = base / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: [f"class {number}" for number in range(10)]}))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    return pixels


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_in_torchvisions_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
    pixels = fake_cifar(tmp_path, kind, name == "cifar100", monkeypatch)
    data = load(name, data_dir=tmp_path)
    first, last = pixels[kind.train_list[0][0]], pixels[kind.test_list[0][0]]
    assert torch.equal(data.train.images[:3].flatten(1), torch.from_numpy(first))
    assert torch.equal(data.test.images.flatten(1), torch.from_numpy(last))
    assert data.test.labels.tolist() == [0, 1, 9]
    assert (data.channels, data.resolution, data.flip) == (3, (32, 32), True)
    assert data.classes[3] == "class 3"


def test_cifar_without_files_and_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import CIFAR10

    def offline(self: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(CIFAR10, "download", offline)
    with pytest.raises(AblateError, match=r"no network.*--data-dir"):
        load("cifar10", data_dir=tmp_path)
