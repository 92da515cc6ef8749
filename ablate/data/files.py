"""Image files as splits: decoded once into memory where they fit, else checked, and streamed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from ablate.data.splits import StreamSplit, TensorSplit

RESOLUTION = 224
"""Height and width, in pixels, where nobody says another."""

IN_MEMORY = 1024**3
"""Bytes of decoded images (all splits) up to which files are decoded once into memory."""


class FileSource(Protocol):
    """Files that can be looked at without decoding them; called from several threads at once."""

    def check(self, index: int, /) -> None:
        """Raise `AblateError` when file `index` is seen to be broken."""

    def __getitem__(self, index: int, /) -> Tensor:
        """Image `index` as uint8 `(3, H, W)`."""


def fits_memory(images: int, size: tuple[int, int], limit: int | None = None) -> bool:
    """Whether that many images in colour take at most `limit` bytes (default: `IN_MEMORY`)."""
    return images * 3 * size[0] * size[1] <= (IN_MEMORY if limit is None else limit)


def decoded_or_streamed(
    source: FileSource,
    labels: Sequence[int],
    fits: bool,
    *,
    indices: Sequence[int] | None = None,
    workers: int | None = None,
) -> TensorSplit | StreamSplit:
    """A split of the files `indices` (default: the first, second, ...), one per label.

    What fits is decoded here. What does not is checked here, all of it: a file that is decoded in the middle
    of a training would end it there. Raises `AblateError` for a file that cannot be read.
    """
    import torch

    from ablate.data.decode import decoded, decoders
    from ablate.data.splits import StreamSplit, TensorSplit

    workers = decoders() if workers is None else workers
    of = torch.arange(len(labels)) if indices is None else torch.tensor(indices)
    if fits:
        chunks = (chunk.tolist() for chunk in torch.split(of, 256))
        return TensorSplit(torch.cat(list(decoded(source, chunks, workers))), torch.tensor(labels))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(source.check, of.tolist()):
            pass
    return StreamSplit(source, torch.tensor(labels), of, workers)
