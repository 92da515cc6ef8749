"""How a short training is done and judged: what `accuracy` and the measurements beside it share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, Strict, StrictBool, model_validator

from ablate.dotted import load
from ablate.layout.settings import Count, Model, Positive
from ablate.measurements.fields import Device, Pixels, Precision, Text

EPOCHS = 5.0
"""The budget of a study that names none."""

Count64: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=10**12)]


class AccuracyProtocol(Model):
    """How to train and test; the same for every seed and layout of a study.

    The budget is one of `epochs`, `images` and `core_seconds`: processor time of the training loop in all
    threads, on a GPU wall time, turned into a number of steps by timing a few of them first. `tune_lr` lists
    candidates to choose from on a validation split first, each with the full budget.
    """

    epochs: Positive | None = Field(
        default=None, description="Passes over the training images, fractions are allowed; default 5."
    )
    images: Count64 | None = Field(default=None, description="Training images seen, instead of epochs.")
    core_seconds: Positive | None = Field(
        default=None, description="Processor time of the training in seconds, instead of epochs."
    )
    recipe: Literal["short", "adamw"] = Field(
        default="short", description="short: Muon and AdamW; adamw: the usual one."
    )
    batch: Count = Field(default=128, description="Images in a batch.")
    lr: Positive | None = Field(default=None, description="Peak learning rate; default: the recipe's.")
    tune_lr: tuple[Positive, ...] = Field(
        default=(), description="Learning rates to choose from for each layout, on a validation split."
    )
    precision: Precision = Field(default="bf16", description="bf16 autocast or fp32.")
    channels_last: StrictBool = Field(default=True, description="Tensors in channels-last memory format.")
    augment: StrictBool | None = Field(
        default=None, description="Augment; default: when the budget is large enough."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: the loss of a class is weighted by its rarity."
    )
    ema: StrictBool = Field(default=False, description="Also judge the running mean of the weights.")
    flip_test: StrictBool = Field(
        default=False, description="Also judge the mean of the logits of an image and its mirror image."
    )
    test_resolutions: tuple[Pixels, ...] = Field(
        default=(), description="Also judge the trained network at these sizes in pixels."
    )
    curve_tests: Annotated[int, Strict(), Field(ge=0, le=1000)] = Field(
        default=0, description="Judge the network that many times on the way; nothing is chosen by it."
    )
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")
    eval_batch: Count = Field(default=256, description="Images in a batch of the test.")
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, exclude=True, description="Of a single run; a study has `seeds`."
    )

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        budgets = ("epochs", "images", "core_seconds")
        given = [name for name in budgets if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one budget, epochs, images or core_seconds; got {' and '.join(given) or 'none'}"
            )
        if self.lr is not None and self.tune_lr:
            raise ValueError("give lr or tune_lr, not both")
        return self

    def steps(self, training_images: int) -> int | None:
        """Optimizer steps of the budget, 1 at least; None where only a clock can tell."""
        if self.images is not None:
            return max(1, round(self.images / self.batch))
        if self.epochs is not None:
            return max(1, round(self.epochs * training_images / self.batch))
        return None

    def seed_of(self, part: Literal["weights", "order", "augmentation"]) -> int:
        """The seed of one source of chance: the run's, unless the protocol has one of its own for it."""
        return int(getattr(self, f"{part}_seed", self.seed))

    def shared(self, protocol: type[AccuracyProtocol]) -> dict[str, Any]:
        """The settings that `protocol` has too, without the seed: what all runs of a study have in common."""
        return {name: getattr(self, name) for name in protocol.model_fields if name != "seed"}

    def but(self, **changes: Any) -> Self:
        """The same protocol with other settings."""
        return self.model_copy(update=changes)


class OnImages(AccuracyProtocol):
    """What is trained on; a study that names no budget trains for five epochs."""

    dataset: Text = Field(
        description="An image set or a task, with its arguments: digits, fashion-mnist, cifar10, "
        "'reach(distances=[1, 2])', or the path of an image folder."
    )
    resolution: Pixels | None = Field(
        default=None, description="Training resolution; default: the dataset's."
    )
    subset: Count | None = Field(default=None, description="Use only so many training images.")
    data_dir: Text | None = Field(default=None, description="Where the dataset's files are.")
    shifts: tuple[Text, ...] = Field(
        default=(), description="Also judge under these changes of the test images: fog, fog-3, ..."
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_budget(cls, given: Any) -> Any:
        budgets = ("epochs", "images", "core_seconds")
        if isinstance(given, dict) and all(given.get(name) is None for name in budgets):
            return given | {"epochs": EPOCHS}
        return given


class Judged(OnImages):
    """What a trained network is judged on."""

    judge: Literal["test", "validation"] = Field(
        default="test",
        description="validation: on images kept from the training (the set's own, or a tenth), to choose by.",
    )


def dataset_code(protocol: OnImages) -> tuple[str, ...]:
    """The file of the data set or task that a run names."""
    files: tuple[str, ...] = load("ablate.data.checks:files_of")(protocol.dataset)
    return files
