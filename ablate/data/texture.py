"""`texture`: the orientation and the period of a grating: a control that local operators solve too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ablate.data.drawn import EPOCH, TEST_IMAGES, ascending, at_least, drawn_splits
from ablate.data.register import Request, dataset

if TYPE_CHECKING:
    import torch

    from ablate.data.dataset import Splits
    from ablate.data.splits import TensorSplit


@dataset("texture", flip=False)
def texture(
    request: Request,
    *,
    periods: tuple[int, ...] = (4, 8),
    orientations: int = 4,
    size: int = 32,
    noise: float = 0.3,
    images: int = EPOCH,
    test_images: int = TEST_IMAGES,
) -> Splits:
    """The orientation and the period of a grating: a control that local operators solve too.

    A sinusoidal grating over the whole image, of random phase and contrast, under noise. The label is its
    orientation (`orientations` of them, evenly spread) and its period in pixels; scores are kept by period.
    """
    ascending("periods", periods, 2, size)
    at_least("orientations", orientations, 1)
    degrees = [round(180 * index / orientations) for index in range(orientations)]
    names = [f"{angle} degrees, {period} px" for period in periods for angle in degrees]

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        return draw_texture(generator, number, periods, orientations, size, noise)

    return drawn_splits(draw, names, [f"{period} px" for period in periods], images, test_images)


def draw_texture(
    generator: torch.Generator,
    number: int,
    periods: tuple[int, ...],
    orientations: int,
    size: int,
    noise: float,
) -> TensorSplit:
    """Images `(N, 1, size, size)`, labels `(N,)`, groups: the period."""
    import torch

    from ablate.data.splits import TensorSplit

    labels = torch.randint(len(periods) * orientations, (number,), generator=generator)
    groups = labels // orientations
    period = torch.tensor(periods)[groups].view(-1, 1, 1)
    angle = (labels % orientations).view(-1, 1, 1) * (math.pi / orientations)
    phase = 2 * math.pi * torch.rand(number, 1, 1, generator=generator)
    contrast = 0.3 + 0.7 * torch.rand(number, 1, 1, generator=generator)
    side = torch.arange(size)
    along = angle.cos() * side + angle.sin() * side.view(-1, 1)
    wave = contrast * (2 * math.pi * along / period + phase).sin()
    wave = wave + noise * torch.randn(wave.shape, generator=generator)
    pixels = (127.5 + 80 * wave).clamp(0, 255).to(torch.uint8)
    return TensorSplit(pixels.unsqueeze(1), labels, groups)
