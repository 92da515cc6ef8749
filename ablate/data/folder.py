"""`folder:PATH`: any image set kept as `train/CLASS/*` and `val/CLASS/*` or `test/CLASS/*`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.register import Request, dataset
from ablate.errors import AblateError

if TYPE_CHECKING:
    from torch import Tensor

    from ablate.data.dataset import Split, Splits

RESOLUTION = 224
"""Height and width, in pixels, where nobody says another."""

IN_MEMORY = 1024**3
"""Bytes of decoded images (all splits) up to which a folder is decoded once into memory."""


@dataset("folder", flip=True, after_colon="path")
def folder(request: Request, *, path: str) -> Splits:
    """Image files in train/CLASS/ and val/CLASS/ or test/CLASS/."""
    from ablate.data.dataset import Splits

    size = request.resolution or (RESOLUTION, RESOLUTION)
    splits, classes = image_folder(Path(path).expanduser(), size)
    test = splits.get("test") or splits["val"]
    val = splits["val"] if "test" in splits and "val" in splits else None
    return Splits(splits["train"], test, classes, val, channels=3, native_resolution=size)


class DecodedImages:
    """Image files decoded on access: uint8 `(3, H, W)`, resized to cover that size, the centre cropped."""

    def __init__(self, files: list[str], size: tuple[int, int]):
        self.files, self.size = files, size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        from PIL import Image, ImageOps
        from torchvision.transforms.functional import pil_to_tensor

        height, width = self.size
        try:
            with Image.open(self.files[index]) as image:
                fitted = ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.BILINEAR)
        except OSError as error:  # PIL says by this that a file is no image, or a broken one
            raise AblateError(f"{self.files[index]}: cannot be read as an image ({error})") from error
        pixels: Tensor = pil_to_tensor(fitted)
        return pixels


def image_folder(
    root: Path, size: tuple[int, int], *, in_memory: int | None = None, workers: int | None = None
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """The splits of an image folder by name (`train`, and `test` or `val` or both), and its classes' names.

    When all images together take at most `in_memory` bytes at `size` (default: `IN_MEMORY`), they are decoded
    once; else they stream through `workers` threads (default: one per core, at most 8). Raises `AblateError`
    when a folder is missing or empty, or when the splits disagree about the classes.
    """
    from ablate.data.decode import decoders

    if not (root / "train").is_dir():
        raise AblateError(
            f"{root}: an image folder needs train/CLASS/*.jpg (or .png, ...), and val/ or test/ alike"
        )
    found = {name: _scan(root / name) for name in ("train", "val", "test") if (root / name).is_dir()}
    if len(found) == 1:
        raise AblateError(f"{root}: an image folder needs val/ or test/ beside train/")
    classes = tuple(found["train"].classes)
    for name, source in found.items():
        if tuple(source.classes) != classes:
            odd = sorted(set(source.classes) ^ set(classes))
            raise AblateError(
                f"{root}: train/ and {name}/ do not have the same classes ({', '.join(odd[:5])})"
            )
    workers = decoders() if workers is None else workers
    in_memory = IN_MEMORY if in_memory is None else in_memory
    fits = sum(len(source) for source in found.values()) * 3 * size[0] * size[1] <= in_memory
    return {name: _split(source, size, fits, workers) for name, source in found.items()}, classes


def _scan(folder: Path) -> Any:
    from torchvision.datasets import ImageFolder

    try:
        return ImageFolder(str(folder))
    except FileNotFoundError as error:  # no class folder, or one without an image
        raise AblateError(f"{folder}: {error}") from error


def _split(source: Any, size: tuple[int, int], fits: bool, workers: int) -> Split:
    import torch

    from ablate.data.decode import decoded
    from ablate.data.splits import StreamSplit, TensorSplit

    files = DecodedImages([path for path, _ in source.samples], size)
    labels = torch.tensor(source.targets)
    if not fits:
        return StreamSplit(files, labels, torch.arange(len(labels)), workers)
    chunks = (chunk.tolist() for chunk in torch.split(torch.arange(len(labels)), 256))
    return TensorSplit(torch.cat(list(decoded(files, chunks, workers))), labels)
