"""What a dense run is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from ablate.data.dense.samples import DenseDataset, Task
from ablate.errors import AblateError
from ablate.runners.dense.schedules import Schedule, schedule


@dataclass(frozen=True)
class DenseProtocol:
    """How to train and judge a dense model.

    `weights` is `none`, `timm`, or a file with a classifier's state dict. `epochs`, `steps`, `lr` and `batch`
    change the `short` schedule and no other. `size`, `train_images` and `test_images` go to `load_dense`.
    `freeze` leaves the backbone as it is and trains neck and head alone.
    """

    task: Task
    dataset: str = "cutouts"
    schedule: str = "short"
    seed: int = 0
    epochs: float | None = None
    steps: int | None = None
    lr: float | None = None
    batch: int | None = None
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    weights: str = "none"
    freeze: bool = False
    precision: str = "fp32"
    channels_last: bool = True
    device: str = "cpu"
    workers: int = 0

    def complete(self) -> Schedule:
        """The schedule with the changes that are asked for. Raises `AblateError`."""
        if self.seed < 0:
            raise AblateError(f"seed must not be negative, got {self.seed}")
        return schedule(
            self.schedule, self.task, epochs=self.epochs, steps=self.steps, lr=self.lr, batch=self.batch
        )


@dataclass(frozen=True)
class DenseResult:
    """What a run gave. `score` is AP or mIoU in percent, `scores` everything that was judged.

    Times in seconds; `train_loss` is the mean over the last tenth of the steps; `curve` has images seen and
    the mean training loss since the point before. `test` says how test images were made, `data` what they
    are.
    """

    task: str
    score: float
    scores: dict[str, Any]
    train_loss: float
    images_seen: int
    steps: int
    seconds: float
    images_per_s: float
    curve: list[tuple[int, float]]
    schedule: dict[str, Any]
    test: str
    data: dict[str, Any]
    weights: str
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The result as plain lists and dictionaries."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """The result that `to_json` wrote."""
        curve = [(int(seen), float(loss)) for seen, loss in record["curve"]]
        return cls(**{**record, "curve": curve})


def judged_at(how: Schedule, dataset: DenseDataset[Any]) -> str:
    """How test images are made, in words: it moves mIoU by two points."""
    if not how.short_side:
        size = "images as they are"
    else:
        size = f"short side {how.short_side}, long side at most {how.long_side} pixels"
    align = "padded" if how.task == "detection" else "resized"
    return f"{size}, sides {align} to multiples of {how.divisor}, one scale, not mirrored"
