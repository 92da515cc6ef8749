"""The published tables as they ship with the package.

Source: huggingface/pytorch-image-models, `results/` at aa4b5850 (2026-08-08), Apache License 2.0.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SOURCE = "huggingface/pytorch-image-models results/ at aa4b5850 (2026-08-08), Apache-2.0"

DEVICES = {
    "rtx-pro-6000": "NVIDIA RTX PRO 6000, AMP",
    "rtx-5090": "NVIDIA RTX 5090, AMP",
    "rtx-4090": "NVIDIA RTX 4090, AMP",
    "rtx-3090": "NVIDIA RTX 3090, AMP",
    "i9-10940x": "Intel i9-10940X, fp32, compiled",
    "i7-12700h": "Intel i7-12700H, fp32, compiled",
}

_COLUMNS = {"i9-10940x": "i9-10940x-fp32-dynamo", "i7-12700h": "i7-12700h-fp32-dynamo"}


@dataclass(frozen=True)
class Figure:
    """The published cost of one model at one size. All figures are rounded to two decimals."""

    model: str  # timm's name
    resolution: int  # pixels
    params_m: float  # millions
    gmacs: float
    activations_m: float  # output elements of convolutions and products, millions
    file: str  # in `results/`, without "benchmark-infer-amp-nchw-" and ".csv"

    @property
    def key(self) -> tuple[str, int]:
        """Model and size, which name the pair."""
        return self.model, self.resolution


@dataclass(frozen=True)
class Accuracy:
    """ImageNet-1k validation accuracy of one set of weights, percent."""

    weights: str  # timm's tag, what stands behind the dot of a model's name
    top1: float
    top5: float


@cache
def figures() -> tuple[Figure, ...]:
    """The published costs, in the order of the model's names."""
    return tuple(
        Figure(
            row["model"],
            int(row["resolution"]),
            float(row["params_m"]),
            float(row["gmacs"]),
            float(row["macts_m"]),
            row["file"],
        )
        for row in _rows("cost.csv")
    )


@cache
def speeds(device: str) -> dict[tuple[str, int], float]:
    """Images per second by model and size on one of `DEVICES`. Raises `KeyError` for another."""
    column = _COLUMNS.get(device, device)
    if device not in DEVICES:
        raise KeyError(device)
    return {
        (row["model"], int(row["resolution"])): float(row[column])
        for row in _rows("speed.csv")
        if row[column]
    }


@cache
def accuracies() -> dict[tuple[str, int], tuple[Accuracy, ...]]:
    """Published accuracies by model and size, the best top-1 first: several weights share a model."""
    by_model: dict[tuple[str, int], list[Accuracy]] = {}
    for row in _rows("imagenet.csv"):
        model, _, weights = row["model"].partition(".")
        accuracy = Accuracy(weights, float(row["top1"]), float(row["top5"]))
        by_model.setdefault((model, int(row["resolution"])), []).append(accuracy)
    return {key: tuple(sorted(group, key=lambda a: -a.top1)) for key, group in by_model.items()}


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files("ablate.published") / name).open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)
