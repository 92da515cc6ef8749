"""`accuracy`: top-1 after a short schedule on real images, over several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from ablate.dotted import load
from ablate.layout.settings import Count, Model, Positive
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import Device, Pixels, Precision, Text
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity

MOST_SEEDS = 1000


class AccuracyProtocol(Model):
    """How to train and test; the same for every seed of a study.

    `lr` overrides the recipe's; `tune_lr` lists candidates to choose from on a validation split first, each
    with the full budget.
    """

    dataset: Text = Field(
        description="An image set or a task, with its arguments: digits, fashion-mnist, cifar10, "
        "'reach(distances=[1, 2])', or the path of an image folder."
    )
    epochs: Positive = Field(
        default=5.0, description="Passes over the training images; fractions are allowed."
    )
    recipe: Literal["short", "adamw"] = Field(
        default="short", description="short: Muon and AdamW; adamw: the usual one."
    )
    batch: Count = Field(default=128, description="Images in a batch.")
    lr: Positive | None = Field(default=None, description="Peak learning rate; default: the recipe's.")
    tune_lr: tuple[Positive, ...] = Field(
        default=(), description="Learning rates to choose from for each layout, on a validation split."
    )
    resolution: Pixels | None = Field(
        default=None, description="Training resolution; default: the dataset's."
    )
    precision: Precision = Field(default="bf16", description="bf16 autocast or fp32.")
    augment: StrictBool | None = Field(
        default=None, description="Augment; default: when the budget is large enough."
    )
    subset: Count | None = Field(default=None, description="Use only so many training images.")
    data_dir: Text | None = Field(default=None, description="Where the dataset's files are.")
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")


class Accuracy(AccuracyProtocol):
    """Top-1 accuracy after a short schedule, over several seeds."""

    seeds: Annotated[Count, Field(le=MOST_SEEDS)] = Field(
        default=3, description="Number of repetitions, with seeds 0, 1, 2, ..."
    )


class AccuracyCondition(AccuracyProtocol):
    """One training run."""

    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Candidate:
    """One learning rate that was tried: its accuracy on the validation split, or why it has none."""

    lr: float
    top1: float | None
    loss: float | None
    diverged: str | None = None


@dataclass(frozen=True)
class AccuracyValues(Values):
    """What a run gave. Accuracies in percent, times in seconds; `train_loss` is the mean of the last tenth.

    The training loss includes label smoothing; the test loss is the plain cross-entropy.
    """

    top1: float
    test_loss: float | None = None
    train_loss: float | None = None
    images_seen: int | None = None
    steps: int | None = None
    seconds: float | None = None  # of the training loop
    images_per_s: float | None = None
    curve: tuple[tuple[int, float], ...] = ()  # images seen, mean training loss since the point before
    test_images: int | None = None
    recipe: dict[str, Any] | None = None  # complete, at the learning rate that was used
    augmentation: dict[str, Any] | None = None
    tuning: tuple[Candidate, ...] = ()


def _conditions(settings: Accuracy, scope: Scope) -> Iterator[AccuracyCondition]:
    shared = {name: getattr(settings, name) for name in AccuracyProtocol.model_fields}
    for seed in range(settings.seeds):
        yield AccuracyCondition(seed=seed, **shared)


def _warnings(settings: Accuracy) -> Iterator[tuple[tuple[str, ...], str]]:
    if settings.seeds < 2:
        yield ("seeds",), "one seed gives no error bar; use 3 or more"


def _code(condition: AccuracyCondition) -> tuple[str, ...]:
    """The file of the data set."""
    files: tuple[str, ...] = load("ablate.data.checks:files_of")(condition.dataset)
    return files


QUANTITIES = (
    Quantity(
        "accuracy", "Top-1", "%",
        "Share of test images whose most probable class is right, after the short schedule. Mean over seeds "
        "with its 95 % confidence interval (Student's t).",
        "top1", column="top1_percent", digits=4, better="higher", repeats=True, aliases=("top1",),
        stored="%",
    ),
    Quantity(
        "test_loss", "Test loss", "nats", "Mean cross-entropy on the test images.", "test_loss",
        column="test_loss_nats", repeats=True,
    ),
    Quantity(
        "train_loss", "Training loss", "nats",
        "Training loss at the end of the schedule (with label smoothing where the recipe has it).",
        "train_loss", column="train_loss_nats", repeats=True,
    ),
    Quantity(
        "images_seen", "Images seen", "", "Training images shown in total, the same for every layout.",
        "images_seen", digits=1, better="neither",
    ),
    Quantity(
        "training_speed", "Training speed", "images/s",
        "Training images per second; a by-product, not a protocol measurement.", "images_per_s",
        column="training_images_per_second", better="higher", repeats=True,
    ),
)  # fmt: skip

ACCURACY = register(
    Measurement(
        name="accuracy",
        title="short-schedule accuracy",
        description="Top-1 accuracy after a short schedule.",
        settings=Accuracy,
        condition=AccuracyCondition,
        values=AccuracyValues,
        quantities=QUANTITIES,
        runner="ablate.runners.accuracy:run",
        where="pool",
        conditions=_conditions,
        uses_input=False,  # it takes its channels and classes from its data set
        warnings=_warnings,
        code=_code,
        check="ablate.data.checks:check_settings",
        inspect="ablate.data.checks:inspect_settings",
    )
)
