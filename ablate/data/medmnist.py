"""`medmnist:NAME`: small medical image sets, one `.npz` file each, with a validation split of their own.

Yang et al., MedMNIST v2, Scientific Data 2023, arXiv 2110.14795. Files: https://zenodo.org/records/10519652
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.register import Request, dataset
from ablate.data.summary import Summary, content_of
from ablate.errors import AblateError

if TYPE_CHECKING:
    import numpy as np

    from ablate.data.dataset import Splits

SPLITS = ("train", "val", "test")
Arrays = dict[str, "np.ndarray[Any, np.dtype[Any]]"]


def summary(request: Request, *, file: str) -> Summary:
    """What a MedMNIST file holds; its labels are read, its images are not."""
    import numpy as np

    path = _find(file, request)
    arrays = _read(path, images=False)
    counts = np.bincount(arrays["train_labels"])
    names = tuple(str(number) for number in range(len(counts)))
    images = {split: len(arrays[f"{split}_labels"]) for split in SPLITS}
    _, height, width, channels = _four_axes(_header(path, "train_images")[0])
    per_class = (int(counts.min()), int(counts.max()))
    content, size = content_of(path.parent, [path]), (height, width)
    return Summary(f"medmnist:{file}", len(counts), images, channels, size, names, per_class, (), content)


@dataset("medmnist", flip=False, after_colon="file", inspect=summary)
def medmnist(request: Request, *, file: str) -> Splits:
    """Small medical images from a MedMNIST file: `medmnist:pathmnist` or `medmnist:PATH.npz`.

    A name is looked for as `NAME.npz` below `data_dir` and in `~/.medmnist`. Images are not mirrored: some of
    the sets tell left from right. Raises `AblateError` for a file that is missing or broken, for volumes, and
    for images with several labels each.
    """
    import torch

    from ablate.data.dataset import Splits, TensorSplit

    arrays = _read(_find(file, request))
    train, val, test = (
        TensorSplit(
            torch.from_numpy(arrays[f"{split}_images"]).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(arrays[f"{split}_labels"]),
        )
        for split in SPLITS
    )
    classes = tuple(str(number) for number in range(int(train.labels.max()) + 1))
    return Splits(train, test, classes, val)


def _find(file: str, request: Request) -> Path:
    if file.endswith(".npz"):
        return Path(file).expanduser()
    folders = (
        [Path.home() / ".medmnist"]
        if request.data_dir is None
        else [request.data_dir, Path.home() / ".medmnist"]
    )
    places = [folder / f"{file}.npz" for folder in folders]
    for place in places:
        if place.is_file():
            return place
    raise AblateError(
        f"medmnist:{file}: no {file}.npz in {' or '.join(str(folder) for folder in folders)}; get it from "
        f"https://zenodo.org/records/10519652 and name its folder with --data-dir"
    )


def _header(path: Path, name: str) -> tuple[tuple[int, ...], str]:
    """The shape of an array of a file and the type of its numbers, from its header."""
    from numpy.lib import format as npy

    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, _, kind = header[npy.read_magic(member)](member)
    return shape, str(kind)


def _four_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1) if len(shape) == 3 else shape


def _read(path: Path, images: bool = True) -> Arrays:
    """The arrays of a file: images uint8 `(N, H, W, C)` (or none of them), labels int64 `(N,)`."""
    import numpy as np

    wanted = [
        f"{split}_{array}" for split in SPLITS for array in (("images", "labels") if images else ("labels",))
    ]
    try:
        with np.load(path, allow_pickle=False) as source:
            arrays = {name: source[name] for name in wanted}
        headers = {split: _header(path, f"{split}_images") for split in SPLITS}
    except KeyError as error:
        raise AblateError(f"{path}: not a MedMNIST file: {error.args[0]}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise AblateError(f"{path}: cannot be read as a MedMNIST file ({error})") from error
    classes = 0
    for split, (shape, kind) in headers.items():
        shape = _four_axes(shape)
        labels = arrays[f"{split}_labels"]
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if len(shape) != 4 or shape[-1] not in (1, 3):
            raise AblateError(f"{path}: {split}_images are {shape}, expected (N, H, W) or (N, H, W, 3)")
        if kind != "uint8":
            raise AblateError(f"{path}: {split}_images are {kind}, expected bytes (uint8)")
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise AblateError(
                f"{path}: {split}_labels are {labels.dtype} {labels.shape}, expected a whole number an image"
            )
        if len(labels) != shape[0] or not len(labels):
            raise AblateError(f"{path}: {split} has {shape[0]:,} images and {len(labels):,} labels")
        if labels.min() < 0:
            raise AblateError(f"{path}: {split}_labels hold {labels.min()}; classes are numbered from 0")
        if classes and labels.max() >= classes:
            raise AblateError(
                f"{path}: {split}_labels hold {labels.max()}; train_labels have {classes} classes, from 0"
            )
        classes = classes or int(labels.max()) + 1
        arrays[f"{split}_labels"] = labels.astype(np.int64)
        if images:
            arrays[f"{split}_images"] = arrays[f"{split}_images"].reshape(shape)
    return arrays
