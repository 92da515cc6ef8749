"""What the diagnostic tasks share: splits that are drawn, and the parts that images are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablate.errors import AblateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ablate.data.dataset import Splits
    from ablate.data.splits import Draw

EPOCH = 10_000
"""Images of an epoch of a drawn task, unless it says otherwise."""
TEST_IMAGES = 2_000


def drawn_splits(
    draw: Draw,
    classes: Sequence[str],
    group_names: Sequence[str],
    images: int,
    test_images: int,
    draw_test: Draw | None = None,
) -> Splits:
    """The splits of a task: `images` an epoch, and test images of `draw_test`, if that is another.

    Raises `AblateError` for fewer than one image.
    """
    from ablate.data.dataset import Splits
    from ablate.data.splits import DrawnSplit, drawn_once

    at_least("images", images, 1)
    at_least("test_images", test_images, 1)
    return Splits(
        DrawnSplit(draw, images),
        drawn_once(draw_test or draw, test_images),
        tuple(classes),
        group_names=tuple(group_names),
    )


def palette(colours: int) -> Tensor:
    """Colours that are far apart, uint8 `(colours, 3)`: corners of the RGB cube but black and white."""
    import torch

    corners = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0)]
    if not 2 <= colours <= len(corners):
        raise AblateError(f"colours must lie between 2 and {len(corners)}, got {colours}")
    return torch.tensor(corners[:colours], dtype=torch.uint8)


def coloured(indices: Tensor, colours: Tensor) -> Tensor:
    """Indices `(N, h, w)` as pixels `(N, 3, h, w)`."""
    return colours[indices].permute(0, 3, 1, 2)


def enlarged(cells: Tensor, cell: int) -> Tensor:
    """Every pixel of `(N, C, h, w)` as a square of `cell` pixels."""
    return cells.repeat_interleave(cell, 2).repeat_interleave(cell, 3)


def coordinates(size: int) -> Tensor:
    """Where a cell is, uint8 `(4 L, size, size)`: sine and cosine of row and column at L octaves.

    The longest period is that of the whole side, the shortest four cells: a shift by d cells is then a
    rotation of the code, as in the position codes of transformers (Vaswani et al., 2017).
    """
    import torch

    octaves = max(1, int(math.log2(size / 4)) + 1)
    angles = 2 * math.pi * torch.arange(size) / size * 2.0 ** torch.arange(octaves).view(-1, 1)
    codes = torch.cat([angles.sin(), angles.cos()])  # (2 L, size)
    rows = codes.unsqueeze(2).expand(-1, size, size)
    columns = codes.unsqueeze(1).expand(-1, size, size)
    return ((torch.cat([rows, columns]) + 1) * 127.5).round().to(torch.uint8)


def distinct_places(number: int, places: int, taken: int, generator: torch.Generator) -> Tensor:
    """`taken` different places of `places`, in random order, for each of `number` images."""
    import torch

    return torch.rand(number, places, generator=generator).argsort(1)[:, :taken]


def at_least(name: str, value: int, least: int) -> None:
    """Raise `AblateError` for an argument below its least value."""
    if value < least:
        raise AblateError(f"{name} must be at least {least}, got {value}")


def ascending(name: str, values: Sequence[int], least: int, most: int) -> None:
    """Raise `AblateError` unless the values rise strictly within `least` and `most`."""
    if not values or list(values) != sorted(set(values)) or values[0] < least or values[-1] > most:
        raise AblateError(f"{name} must rise, from {least} at least to {most} at most, got {list(values)}")
