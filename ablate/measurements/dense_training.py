"""What `detection` and `segmentation` share: how a dense model is trained and judged, what a run gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, Strict, StrictBool, model_validator

from ablate.dotted import load
from ablate.layout.settings import Count, Model, Positive
from ablate.measurements.accuracy import Accuracy, AccuracyCondition
from ablate.measurements.accuracy_protocol import OnImages
from ablate.measurements.auto_seeds import MOST_SEEDS
from ablate.measurements.fields import Device, Pixels, Precision, Text
from ablate.measurements.values import Values
from ablate.quantities import Quantity


class DenseProtocol(Model):
    """How to train and judge a dense model; the same for every seed and layout of a study.

    `epochs`, `steps`, `lr` and `batch` change the schedule `short` and no other: published ones are what they
    are.
    """

    task: ClassVar[Literal["detection", "segmentation"]]

    dataset: Text = Field(
        default="cutouts", description="The set, as NAME or NAME:PATH: cutouts, coco:PATH, ade20k:PATH, ..."
    )
    schedule: Text = Field(default="short", description="short, or the published one of the task.")
    epochs: Positive | None = Field(default=None, description="Passes over the training images.")
    steps: Annotated[int, Strict(), Field(ge=1, le=10**9)] | None = Field(
        default=None, description="Optimizer steps, instead of epochs."
    )
    lr: Positive | None = Field(default=None, description="Peak learning rate; default: the schedule's.")
    batch: Count | None = Field(default=None, description="Images in a batch; default: the schedule's.")
    size: Annotated[Pixels, Field(ge=32)] | None = Field(
        default=None, description="Side of composed images in pixels."
    )
    train_images: Count | None = Field(
        default=None, description="Training images of an epoch; of files the first so many."
    )
    test_images: Count | None = Field(default=None, description="Test images; of files the first so many.")
    pretrain: Text = Field(
        default="none",
        description="Backbone weights: none, accuracy (of the study's accuracy run with the same seed), "
        "timm, or a file with a classifier's state dict.",
    )
    freeze: StrictBool = Field(default=False, description="Train neck and head alone.")
    precision: Precision = Field(default="fp32", description="bf16 autocast or fp32.")
    channels_last: StrictBool = Field(default=True, description="Tensors in channels-last memory format.")
    device: Device = Field(default="cpu", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")
    workers: Annotated[int, Strict(), Field(ge=0, le=1024)] = Field(
        default=0, description="Processes that make training samples; they change the speed alone."
    )

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give epochs or steps, not both")
        changed = [name for name in ("epochs", "steps", "lr", "batch") if getattr(self, name) is not None]
        if changed and self.schedule != "short":
            raise ValueError(
                f"schedule {self.schedule} is a published one: {', '.join(changed)} cannot be changed; "
                "take short"
            )
        return self

    def but(self, **changes: Any) -> Self:
        """The same protocol with other settings, which are checked."""
        return type(self).model_validate(dict(self) | changes)


class Repeated(Model):
    """What settings have beside the protocol. `accuracy` is the study's section of that name, once
    `with_accuracy` has put it there."""

    seeds: Annotated[Count, Field(le=MOST_SEEDS)] = Field(
        default=3, description="Number of repetitions, with seeds 0, 1, 2, ..."
    )
    floor: StrictBool = Field(
        default=False,
        description="Also train neck and head alone on the backbone as it starts: what the backbone adds.",
    )
    _accuracy: Accuracy | None = PrivateAttr(default=None)

    @property
    def accuracy(self) -> Accuracy | None:
        """The study's accuracy section, where its weights are asked for."""
        return self._accuracy

    def after(self, accuracy: Accuracy | None) -> Self:
        """The settings with a study's accuracy section beside them."""
        copy = self.model_copy()
        copy._accuracy = accuracy
        return copy


class DenseCondition(DenseProtocol):
    """One training run. `classifier` is trained first, as the accuracy cell that it describes."""

    seed: Annotated[int, Field(ge=0)] = 0
    classifier: AccuracyCondition | None = None

    @property
    def side(self) -> int:
        """Side in pixels of a square about as large as the images that the network sees."""
        known = {"1x": 1024, "40k": 512}.get(self.schedule)
        return known or self.size or (128 if self.composed else 256)

    @property
    def composed(self) -> bool:
        """Whether images are composed, and not files."""
        return self.dataset.partition(":")[0] == "cutouts"


@dataclass(frozen=True, kw_only=True)
class DenseValues(Values):
    """What a run gave, beside its scores. Times in seconds.

    `train_loss` is the mean over the last tenth of the steps; `curve` has images seen and the mean training
    loss since the point before. `test` says how test images were made, `data` what they are, `weights` what
    the backbone started from.
    """

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


S = TypeVar("S", bound=Repeated)
C = TypeVar("C", bound=DenseCondition)


def with_accuracy(settings: S | None, others: Mapping[str, Model]) -> S | None:
    """The settings with the study's accuracy section, where there are both."""
    known = others.get("accuracy")
    return settings if settings is None or not isinstance(known, Accuracy) else settings.after(known)


def by_seed(settings: Any, condition: type[C]) -> Iterator[C]:
    """A condition for each seed, with the accuracy run of the same seed where its weights are asked for; then
    the same with the backbone frozen, where the settings ask for a floor."""
    shared = {name: getattr(settings, name) for name in DenseProtocol.model_fields}
    for freeze in dict.fromkeys((settings.freeze, settings.freeze or settings.floor)):
        for seed in range(settings.seeds):
            classifier = None
            if settings.pretrain == "accuracy" and settings.accuracy is not None:
                classifier = AccuracyCondition(seed=seed, **settings.accuracy.shared(OnImages))
            yield condition(**shared | {"freeze": freeze}, seed=seed, classifier=classifier)


def seed_warnings(settings: Repeated) -> Iterator[tuple[tuple[str, ...], str]]:
    """One seed has no spread."""
    if settings.seeds < 2:
        yield ("seeds",), "one seed gives no error bar; use 3 or more"


HEADS = {"short": 1.0, "40k": 4.0, "1x": 8.0}
"""MACs of neck and head, roughly, as multiples of a small backbone's."""


def work(condition: DenseCondition) -> float:
    """Passes of one image through the backbone in training and test, neck and head included, roughly.

    A training image takes three passes through what is moved; a frozen backbone takes one. Folders are taken
    to hold 100,000 training and 5,000 test images. The classifier of `pretrain: accuracy` is left out.
    """
    composed, head = condition.composed, HEADS[condition.schedule]
    if condition.schedule == "40k":
        images = 40_000 * 32.0
    elif condition.steps is not None:
        images = float(condition.steps * (condition.batch or 16))
    else:
        epochs = condition.epochs or (12 if condition.schedule == "1x" else 1)
        images = epochs * (condition.train_images or (2_000 if composed else 100_000))
    tests = condition.test_images or (500 if composed else 5_000)
    return images * ((1 if condition.freeze else 3) + 3 * head) + tests * (1 + head)


def code_of(condition: DenseCondition) -> tuple[str, ...]:
    """The files of the data sets."""
    files: tuple[str, ...] = load("ablate.data.dense.checks:files_of")(condition)
    return files


def score(name: str, label: str, text: str, *, listed: bool = False) -> Quantity:
    """A percentage among a run's `scores`, the higher the better."""
    return Quantity(
        name, label, "%", text, f"scores.{name}", column=f"{name}_percent", digits=3, better="higher",
        repeats=True, stored="%", listed=listed,
    )  # fmt: skip


PACKAGES = ("torchvision", "hotcoco")
CHECK = "ablate.data.dense.checks:check_settings"
INSPECT = "ablate.data.dense.checks:inspect_settings"
CONTENT = "ablate.data.dense.checks:content_of"
