"""`tar:PATH`: an image set kept as `train.tar` and `val.tar` or `test.tar`, read by timm.

A file in an archive is of the class of the folder, or of the inner archive, that it stands in.
"""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.files import RESOLUTION, decoded_or_streamed, fits_memory
from ablate.data.pixels import check_header, fitted, read_image
from ablate.data.register import Request, dataset
from ablate.data.summary import Summary, content_of
from ablate.errors import AblateError

if TYPE_CHECKING:
    from torch import Tensor

    from ablate.data.dataset import Splits

SCANNED = 64 * 1024**2
"""Bytes up to which an archive is read through when it is only looked at."""


def summary(request: Request, *, path: str) -> Summary:
    """What a set of archives holds. Large ones are not read through: then `classes` is 0, not known."""
    root = Path(path).expanduser()
    files = _files(root)
    content = content_of(root, files.values())
    if sum(file.stat().st_size for file in files.values()) > SCANNED:
        note = f"tar:{path}: the archives are large; what they hold is seen when they are loaded"
        return Summary(f"tar:{path}", 0, dict.fromkeys(files, 0), notes=(note,), content=content)
    readers = _readers(files)
    counts = [readers["train"].labels.count(label) for label in range(len(readers["train"].classes))]
    return Summary(
        f"tar:{path}",
        len(counts),
        {name: len(reader.labels) for name, reader in readers.items()},
        class_names=readers["train"].classes,
        per_class=(min(counts), max(counts)),
        content=content,
    )


@dataset("tar", flip=True, after_colon="path", inspect=summary)
def tar(request: Request, *, path: str) -> Splits:
    """Image files in train.tar and in val.tar or test.tar, each in a folder of its class.

    They are decoded into memory or stream, as an image folder does. Raises `AblateError` when archives are
    missing or broken, disagree about the classes, or hold a file that cannot be read.
    """
    from ablate.data.dataset import Splits

    size = request.resolution or (RESOLUTION, RESOLUTION)
    readers = _readers(_files(Path(path).expanduser()))
    fits = fits_memory(sum(len(reader.labels) for reader in readers.values()), size)
    splits = {
        name: decoded_or_streamed(_ArchivedImages(reader, size), reader.labels, fits, indices=reader.indices)
        for name, reader in readers.items()
    }
    test = splits.get("test") or splits["val"]
    val = splits["val"] if len(splits) == 3 else None
    return Splits(splits["train"], test, readers["train"].classes, val, channels=3, native_resolution=size)


class _Archive:
    """One archive as timm reads it, without files whose names, or whose folders' names, start with a dot."""

    def __init__(self, file: Path):
        from timm.data.dataset_factory import create_dataset

        self.file = file
        self.lock = threading.Lock()  # an archive has one place where it is read
        try:
            self.reader: Any = create_dataset("", root=str(file)).reader
        except (tarfile.TarError, OSError, ValueError) as error:  # ValueError: no image at all
            raise AblateError(f"{file}: cannot be read as an archive of images ({error})") from error
        names = [str(sample[0].path) for sample in self.reader.samples]
        self.indices = [
            index
            for index, name in enumerate(names)
            if not any(part.startswith(".") and part != "." for part in name.split("/"))
        ]
        seen = sorted({int(self.reader.targets[index]) for index in self.indices})
        self.classes = tuple(str(self.reader.class_idx_to_name[target]) for target in seen)
        place = {target: label for label, target in enumerate(seen)}
        self.labels = [place[int(self.reader.targets[index])] for index in self.indices]

    def read(self, index: int) -> tuple[bytes, str]:
        """The bytes of a file, and what an error calls it."""
        with self.lock:
            name = f"{self.file}/{self.reader.samples[index][0].path}"
            try:
                return self.reader[index][0].read(), name
            except (tarfile.TarError, OSError, EOFError) as error:
                raise AblateError(f"{name}: cannot be read ({error})") from error


class _ArchivedImages:
    """Files of an archive decoded on access: uint8 `(3, H, W)`."""

    def __init__(self, archive: _Archive, size: tuple[int, int]):
        self.archive, self.size = archive, size

    def check(self, index: int) -> None:
        """Raise `AblateError` when the file is seen to be broken."""
        content, name = self.archive.read(index)
        check_header(io.BytesIO(content), name)

    def __getitem__(self, index: int) -> Tensor:
        content, name = self.archive.read(index)
        return fitted(read_image(io.BytesIO(content), name), self.size)


def _files(root: Path) -> dict[str, Path]:
    """The archives by split, all of which can be opened."""
    files = {
        name: root / f"{name}.tar" for name in ("train", "val", "test") if (root / f"{name}.tar").is_file()
    }
    if "train" not in files or len(files) == 1:
        raise AblateError(f"{root}: a set of archives needs train.tar, and val.tar or test.tar")
    for file in files.values():
        try:
            if not tarfile.is_tarfile(file):
                raise AblateError(f"{file}: not a tar archive")
        except OSError as error:
            raise AblateError(f"{file}: {error.strerror}") from error
    return files


def _readers(files: dict[str, Path]) -> dict[str, _Archive]:
    readers = {name: _Archive(file) for name, file in files.items()}
    classes = readers["train"].classes
    for name, reader in readers.items():
        if reader.classes != classes:
            odd = sorted(set(reader.classes) ^ set(classes))
            both = f"{files[name].parent}: train.tar and {name}.tar"
            raise AblateError(f"{both} do not have the same classes ({', '.join(odd[:5])})")
    return readers
