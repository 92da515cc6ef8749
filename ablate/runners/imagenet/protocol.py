"""What an ImageNet run is asked for, and what it gives."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ablate.errors import AblateError


@dataclass(frozen=True)
class ImageNetProtocol:
    """How a recipe is run. None of this changes what is published but `batch`, by which the rate is scaled.

    `data` is a folder with `train` and `val`, or a name of timm's readers as `hfds/NAME`; empty: the folder
    in the environment's `IMAGENET`. A global batch of `batch` images (default: the recipe's) is worked off in
    `accumulate` parts by each process. `checkpoint` is a file that the run writes after every epoch, and
    every `checkpoint_steps` steps, and goes on from. `stop_after` ends the run after so many steps.
    """

    recipe: str
    data: str = ""
    seed: int = 0
    batch: int | None = None
    accumulate: int = 1
    precision: str = "bf16"
    channels_last: bool = True
    device: str = "auto"
    workers: int = 8
    checkpoint: str | None = None
    checkpoint_steps: int | None = None
    stop_after: int | None = None
    check: bool = True  # decode every image once before training

    def __post_init__(self) -> None:
        for name in ("batch", "accumulate", "checkpoint_steps", "stop_after"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise AblateError(f"{name} must be at least 1, got {value}")
        if self.seed < 0 or self.workers < 0:
            raise AblateError("seed and workers must not be negative")

    @property
    def root(self) -> str:
        """Where the images are. Raises `AblateError` when nobody says."""
        found = self.data or os.environ.get("IMAGENET", "")
        if not found:
            raise AblateError(
                "where is ImageNet? Give data: PATH or set IMAGENET=PATH, a folder with "
                "train/CLASS/*.JPEG and val/CLASS/*.JPEG"
            )
        return (
            str(Path(found).expanduser()) if "/" not in found or Path(found).expanduser().exists() else found
        )


@dataclass(frozen=True)
class ImageNetResult:
    """What a run gave. Accuracies in percent on the validation images, times in seconds.

    `top1_ema` is of the averaged weights, where the recipe has them. `curve` has, for every epoch that was
    finished, its number from 1, its learning rate, and its mean training loss. `complete` is false when the
    run was told to stop early: such a number is no result.
    """

    top1: float
    top1_ema: float | None
    train_loss: float
    epochs: int
    steps: int
    images_seen: int
    seconds: float  # of training, resumed parts included
    images_per_s: float
    curve: list[tuple[int, float, float]]
    test_images: int
    classes: int
    world_size: int
    batch: int
    accumulate: int
    drop_path: list[float]
    recipe: dict[str, Any]
    complete: bool

    def to_json(self) -> dict[str, Any]:
        """The result as plain lists and dictionaries."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """The result that `to_json` wrote."""
        curve = [(int(epoch), float(lr), float(loss)) for epoch, lr, loss in record["curve"]]
        return cls(**{**record, "curve": curve})
