"""`texture`: the orientation and the period of a grating: a control that local operators solve too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ablate.data.drawn import Drawing, ascending, at_least


@dataclass(frozen=True)
class Texture:
    """A sinusoidal grating over the whole image, of random phase and contrast, under noise.

    The label is its orientation (`orientations` of them, evenly spread) and its period in pixels. Scores are
    kept by period.
    """

    periods: tuple[int, ...] = (4, 8)
    orientations: int = 4
    size: int = 64
    noise: float = 0.3

    def __post_init__(self) -> None:
        ascending("periods", self.periods, 2, self.size)
        at_least("orientations", self.orientations, 1)

    @property
    def classes(self) -> tuple[str, ...]:
        degrees = [round(180 * index / self.orientations) for index in range(self.orientations)]
        return tuple(f"{angle} degrees, {period} px" for period in self.periods for angle in degrees)

    @property
    def group_names(self) -> tuple[str, ...]:
        return tuple(f"{period} px" for period in self.periods)

    @property
    def channels(self) -> int:
        return 1

    @property
    def resolution(self) -> tuple[int, int]:
        return (self.size, self.size)

    @property
    def label_grid(self) -> None:
        return None

    @property
    def questions(self) -> int:
        return 1

    def draw(self, number: int, generator: torch.Generator, test: bool = False) -> Drawing:
        """Images `(N, 1, size, size)`, labels `(N,)`."""
        labels = torch.randint(len(self.classes), (number,), generator=generator)
        groups = labels // self.orientations
        period = torch.tensor(self.periods)[groups].view(-1, 1, 1)
        angle = (labels % self.orientations).view(-1, 1, 1) * (math.pi / self.orientations)
        phase = 2 * math.pi * torch.rand(number, 1, 1, generator=generator)
        contrast = 0.3 + 0.7 * torch.rand(number, 1, 1, generator=generator)
        side = torch.arange(self.size)
        along = angle.cos() * side + angle.sin() * side.view(-1, 1)
        wave = contrast * (2 * math.pi * along / period + phase).sin()
        wave = wave + self.noise * torch.randn(wave.shape, generator=generator)
        pixels = (127.5 + 80 * wave).clamp(0, 255).to(torch.uint8)
        return Drawing(pixels.unsqueeze(1), labels, groups)
