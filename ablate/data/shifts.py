"""Distribution shift: a test split under named changes that keep the class, each in five severities.

After Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, 2019, arXiv 1903.12261: the kinds are theirs, the strengths are this project's own, stated
here, and relative to the image's side, so that they mean the same at any resolution. A change depends on its
name, its severity, the seed and the image's place in the split alone: not on the batch or the other images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ablate.data import corruptions
from ablate.data.dataset import Dataset, Split
from ablate.data.decode import ImageSource
from ablate.data.load import load
from ablate.data.splits import DrawnSplit, StreamSplit, TensorSplit, draws
from ablate.errors import AblateError, did_you_mean

SEVERITIES = (1, 2, 3, 4, 5)
Change: TypeAlias = Callable[[Tensor, float, torch.Generator], Tensor]
"""From one image, float32 `(C, H, W)` in 0..1, and a strength; what leaves 0..1 is cut off afterwards."""


@dataclass(frozen=True)
class Shift:
    """One change: what kind it is of, its strength at each severity, and what the strength means."""

    name: str
    kind: Literal["noise", "blur", "light", "digital", "geometry"]
    strengths: tuple[float, float, float, float, float]
    meaning: str
    change: Change

    @property
    def moves(self) -> bool:
        """Whether pixels change their places; labels per token would have to move along."""
        return self.kind == "geometry"


SHIFTS: dict[str, Shift] = {
    shift.name: shift
    for shift in (
        Shift(
            "gaussian-noise",
            "noise",
            (0.04, 0.08, 0.12, 0.18, 0.26),
            "standard deviation",
            corruptions.gaussian_noise,
        ),
        Shift(
            "shot-noise",
            "noise",
            (0.01, 0.03, 0.06, 0.12, 0.25),
            "1 / photons of white",
            corruptions.shot_noise,
        ),
        Shift(
            "impulse-noise",
            "noise",
            (0.01, 0.03, 0.06, 0.12, 0.2),
            "share of values",
            corruptions.impulse_noise,
        ),
        Shift(
            "gaussian-blur",
            "blur",
            (0.01, 0.02, 0.03, 0.045, 0.06),
            "deviation / side",
            corruptions.gaussian_blur,
        ),
        Shift(
            "motion-blur", "blur", (0.04, 0.08, 0.12, 0.18, 0.25), "length / side", corruptions.motion_blur
        ),
        Shift("brightness", "light", (0.1, 0.2, 0.3, 0.4, 0.5), "added", corruptions.brightness),
        Shift("darkness", "light", (0.8, 0.6, 0.45, 0.3, 0.2), "factor", corruptions.darkness),
        Shift("contrast", "light", (0.7, 0.5, 0.35, 0.2, 0.1), "factor", corruptions.contrast),
        Shift("fog", "light", (0.2, 0.35, 0.5, 0.6, 0.7), "share of fog", corruptions.fog),
        Shift("pixelate", "digital", (0.6, 0.45, 0.35, 0.25, 0.15), "side kept", corruptions.pixelate),
        Shift("jpeg", "digital", (50, 30, 20, 12, 7), "quality", corruptions.jpeg),
        Shift("posterize", "digital", (12, 8, 5, 3, 2), "levels", corruptions.posterize),
        Shift("occlude", "digital", (0.15, 0.25, 0.35, 0.45, 0.55), "square / side", corruptions.occlude),
        Shift("translate", "geometry", (0.04, 0.08, 0.12, 0.18, 0.25), "way / side", corruptions.translate),
        Shift("rotate", "geometry", (5, 10, 15, 22, 30), "degrees", corruptions.rotate),
        Shift("shrink", "geometry", (0.9, 0.8, 0.7, 0.6, 0.5), "size kept", corruptions.shrink),
    )
}
"""All shifts by name, in the order in which they are shown."""


def apply(images: Tensor, name: str, severity: int, *, seed: int = 0, first: int = 0) -> Tensor:
    """uint8 images `(N, C, H, W)` under a change; they are number `first`, `first + 1`, ... of their split.

    Raises `AblateError` for an unknown name or severity.
    """
    shift, strength = _chosen(name, severity)
    return torch.stack(
        [
            _changed(image, shift, strength, severity, seed, first + place)
            for place, image in enumerate(images)
        ]
    )


def shifted(split: Split, name: str, severity: int, *, seed: int = 0) -> TensorSplit | StreamSplit:
    """A test split under a change; streamed images are changed when they are decoded.

    Raises `AblateError` for an unknown name or severity, and for a change that moves pixels where every token
    has a label of its own.
    """
    shift, _ = _chosen(name, severity)
    if isinstance(split, DrawnSplit):
        split = split.first
    if shift.moves and split.labels.ndim >= 3:
        raise AblateError(f"the shift {name!r} moves pixels, and labels per token would stay where they are")
    if isinstance(split, TensorSplit):
        return replace(split, images=apply(split.images, name, severity, seed=seed))
    return replace(split, source=_ShiftedSource(split.source, name, severity, seed))


def shifted_test(dataset: Dataset, name: str, severity: int, *, seed: int = 0) -> Dataset:
    """The set with its test split under a change; a trained network is judged on it as on the plain one."""
    return replace(dataset, test=shifted(dataset.test, name, severity, seed=seed))


def at_resolution(
    dataset: Dataset, resolution: int | tuple[int, int], *, data_dir: str | None = None
) -> Dataset:
    """The set with its test split at another resolution, from the original files; mean and deviation stay
    those that the network was trained with. Raises `AblateError` where `load` does."""
    other = load(dataset.name, data_dir=data_dir, resolution=resolution)
    return replace(other, mean=dataset.mean, std=dataset.std)


class _ShiftedSource:
    """Images of another source, changed one by one."""

    def __init__(self, source: ImageSource, name: str, severity: int, seed: int):
        self.source, self.name, self.severity, self.seed = source, name, severity, seed

    def __getitem__(self, index: int) -> Tensor:
        return apply(self.source[index][None], self.name, self.severity, seed=self.seed, first=index)[0]


def named_shift(text: str) -> tuple[str, int]:
    """The change and severity that a study names: `fog`, which is severity 3, or `fog-5`.

    Raises `AblateError` for an unknown name or severity.
    """
    name, _, number = text.rpartition("-")
    shift, severity = (name, int(number)) if name and number.isdigit() else (text, 3)
    _chosen(shift, severity)
    return shift, severity


def _chosen(name: str, severity: int) -> tuple[Shift, float]:
    if name not in SHIFTS:
        raise AblateError(f"unknown shift {name!r}{did_you_mean(name, tuple(SHIFTS))}")
    if severity not in SEVERITIES:
        raise AblateError(f"the severity of a shift is from 1 to 5, got {severity}")
    return SHIFTS[name], SHIFTS[name].strengths[severity - 1]


def _changed(image: Tensor, shift: Shift, strength: float, severity: int, seed: int, place: int) -> Tensor:
    generator = draws("shift", shift.name, severity, seed, place)
    changed = shift.change(image.float() / 255, strength, generator)
    return (changed * 255).round().clamp(0, 255).to(torch.uint8)
