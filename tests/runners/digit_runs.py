"""Short trainings on digits: a small network, and what of a run must repeat."""

from __future__ import annotations

from torch import nn

from ablate.runners.accuracy import AccuracyValues

CLOCK = ("seconds", "images_per_s", "core_seconds", "continued")


def small(width: int = 32) -> nn.Module:
    """A small convolutional network for 8 x 8 digits."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(2 * width * 16, 10),
    )


def weights_only(result: AccuracyValues) -> dict[str, object]:
    """What must repeat: everything but the clock."""
    return {key: value for key, value in result.to_json().items() if key not in CLOCK}
