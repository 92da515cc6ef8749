"""`fashion-mnist`: 60,000 + 10,000 grey images of clothes, 28 x 28 pixels, ten classes.

Xiao, Rasul and Vollgraf, Fashion-MNIST: a Novel Image Dataset, 2017, arXiv 1708.07747.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.data.register import Request, dataset
from ablate.data.summary import Summary
from ablate.errors import AblateError

if TYPE_CHECKING:
    import numpy as np

    from ablate.data.dataset import Splits

CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def summary(request: Request) -> Summary:
    """What `fashion-mnist` will load; a download is put off, not tried."""
    notes: tuple[str, ...] = ()
    if find(request.data_dir) is None and not complete(_downloaded(request.cache)):
        notes = (f"fashion-mnist is not on this machine; it will be downloaded into {request.cache}",)
    images = {"train": 60_000, "test": 10_000}
    return Summary("fashion-mnist", 10, images, 1, (28, 28), CLASSES, (6000, 6000), notes)


@dataset("fashion-mnist", flip=True, inspect=summary)
def fashion_mnist(request: Request) -> Splits:
    """70,000 grey images of clothes, 28 x 28 pixels, in ten classes.

    From `data_dir`, else Debian's package, else downloaded once. Raises `AblateError` when there is no way to
    the files, and names the three ways.
    """
    import torch

    from ablate.data.dataset import Splits, TensorSplit

    folder = find(request.data_dir) or download(request.cache)
    train, test = (
        TensorSplit(
            torch.from_numpy(read_idx(folder / images)).unsqueeze(1),
            torch.from_numpy(read_idx(folder / labels)).long(),
        )
        for images, labels in (FILES["train"], FILES["test"])
    )
    return Splits(train, test, CLASSES)


def find(data_dir: Path | None) -> Path | None:
    """The folder with the four IDX files, or `None`: below `data_dir`, in any usual way, else Debian's."""
    if data_dir is not None:
        for folder in (data_dir, data_dir / "fashion-mnist", data_dir / "FashionMNIST" / "raw"):
            if complete(folder):
                return folder
    return DEBIAN if complete(DEBIAN) else None


def complete(folder: Path) -> bool:
    """Whether a folder holds the four files, gzipped or not."""
    return all(existing(folder / name) is not None for pair in FILES.values() for name in pair)


def existing(path: Path) -> Path | None:
    """The file itself or its gzipped form, whichever exists."""
    return next((form for form in (path, path.with_name(path.name + ".gz")) if form.is_file()), None)


def _downloaded(cache: Path) -> Path:
    return cache / "FashionMNIST" / "raw"


def download(cache: Path) -> Path:
    """Let torchvision fetch the files into `cache`; the folder they are in."""
    from torchvision.datasets import FashionMNIST

    folder = _downloaded(cache)
    if not complete(folder):
        try:
            FashionMNIST(str(cache), download=True)
        except Exception as error:  # whatever a network does
            raise AblateError(
                "fashion-mnist is not on this machine and cannot be downloaded "
                f"({type(error).__name__}: {str(error).partition(chr(10))[0]}). Three ways to it: "
                f"put the four IDX files (train-images-idx3-ubyte.gz, ...) into a folder and name it with "
                f"--data-dir; install Debian's package dataset-fashion-mnist (it fills {DEBIAN}); "
                f"or run once with a network (torchvision downloads into {cache})"
            ) from error
    return folder


def read_idx(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """An IDX file of unsigned bytes, gzipped or not, as an array of its own shape.

    The format: two zero bytes, the type (8 is unsigned byte), the number of axes, each axis as a big-endian
    32-bit integer, then the bytes. Raises `AblateError` for anything else.
    """
    import numpy as np

    file = existing(path)
    if file is None:
        raise AblateError(f"{path}: no such file")
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError) as error:
        raise AblateError(f"{file}: {error}") from error
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise AblateError(f"{file}: not an IDX file of unsigned bytes")
    header = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:header], ">u4"))
    if len(data) - header != int(np.prod(shape)):
        raise AblateError(f"{file}: {len(data) - header:,} bytes of data where its header says {shape}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()
