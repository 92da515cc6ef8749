"""`accuracy`: top-1 after a short schedule on real images, over several seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from ablate.measurements.accuracy_protocol import Judged, dataset_code
from ablate.measurements.auto_seeds import Seeds, seed_count
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity, Reader


class Accuracy(Judged):
    """Top-1 accuracy after a short schedule, over several seeds."""

    seeds: Seeds = Field(
        default=3,
        description="Number of repetitions, with seeds 0, 1, 2, ...; or auto(difference=0.5, most=20).",
    )


class AccuracyCondition(Judged):
    """One training run."""

    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Candidate(Values):
    """One learning rate that was tried: its accuracy on the validation split, or why it has none."""

    lr: float
    top1: float | None
    loss: float | None
    diverged: str | None = None


@dataclass(frozen=True)
class AccuracyValues(Values):
    """What a run gave. Accuracies in percent, times in seconds; `train_loss` is the mean of the last tenth.

    The training loss includes label smoothing and class weights; the test loss is the plain cross-entropy.
    Where every token is asked, accuracies are over the asked tokens. Fields after `tuning` are None or empty
    where a run was not asked for them.
    """

    top1: float
    test_loss: float | None = None
    train_loss: float | None = None
    images_seen: int | None = None
    steps: int | None = None
    seconds: float | None = None  # of the training loop, over all processes that took part in it
    images_per_s: float | None = None
    curve: list[tuple[int, float]] = field(
        default_factory=list
    )  # images seen, mean loss since the last point
    test_images: int | None = None
    recipe: dict[str, Any] = field(default_factory=dict)  # complete, at the learning rate that was used
    augmentation: dict[str, Any] = field(default_factory=dict)
    tuning: list[Candidate] = field(default_factory=list)
    balanced: float | None = None  # mean of `recall` over the classes that occur in the test split
    recall: list[float | None] = field(default_factory=list)  # per class; None: no test image has it
    confusion: list[list[int]] | None = None  # [true class][answer]; None for many classes
    groups: dict[str, float] = field(default_factory=dict)  # top-1 per difficulty of a diagnostic task
    ema_top1: float | None = None  # of the running mean of the weights
    flip_top1: float | None = None  # logits averaged over an image and its mirror image
    at_resolution: dict[int, float] = field(default_factory=dict)  # top-1 by test resolution in pixels
    under_shift: dict[str, float] = field(default_factory=dict)  # top-1 by the name of a change
    test_curve: list[tuple[int, float]] = field(default_factory=list)  # images seen, top-1 on the way
    core_seconds: float | None = None  # processor time of the training loop in all threads
    continued: int = 0  # how often the run went on from a checkpoint
    precision_error: float | None = None  # of the first logits against float32, relative; None in fp32

    @property
    def tuning_edge(self) -> Literal["low", "high"] | None:
        """Where the chosen learning rate ends the grid, so that a better one may lie beyond; else None."""
        return edge([candidate.lr for candidate in self.tuning], self.recipe.get("lr"))

    @property
    def images_per_core_s(self) -> float | None:
        """Training images per second of processor time."""
        return self.images_seen / self.core_seconds if self.core_seconds and self.images_seen else None

    @property
    def shape_bias(self) -> float | None:
        """Of `conflict`: the share of shape among the answers that are either, in percent."""
        shape, texture = self.groups.get("shape"), self.groups.get("texture")
        if shape is None or texture is None or shape + texture == 0:
            return None
        return 100 * shape / (shape + texture)


def edge(grid: Sequence[float], chosen: float | None) -> Literal["low", "high"] | None:
    """Whether a choice is the lowest or the highest of a grid of two values at least."""
    if len(set(grid)) < 2 or chosen not in (min(grid), max(grid)):
        return None
    return "low" if chosen == min(grid) else "high"


def _conditions(settings: Accuracy, scope: Scope) -> Iterator[AccuracyCondition]:
    shared = settings.shared(Judged)
    for seed in range(seed_count(settings.seeds)):
        yield AccuracyCondition(seed=seed, **shared)


def _work(condition: AccuracyCondition) -> float:
    """Three passes a training image; a set of unknown size is taken to be of 50,000 images."""
    images = condition.images or (condition.epochs or 1.0) * (condition.subset or 50_000)
    return 3.0 * images


def _warnings(settings: Accuracy) -> Iterator[tuple[tuple[str, ...], str]]:
    if seed_count(settings.seeds) < 2:
        yield ("seeds",), "one seed gives no error bar; use 3 or more"


def _mean(scores: Mapping[Any, float]) -> float | None:
    return fmean(scores.values()) if scores else None


def _extra(name: str, label: str, text: str, read: str | Reader) -> Quantity:
    """A percentage that a run gives where it is asked for it."""
    return Quantity(
        name, label, "%", text, read, column=f"{name}_percent", digits=4, better="higher", repeats=True,
        stored="%", listed=False,
    )  # fmt: skip


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
    _extra(
        "balanced_accuracy", "Balanced accuracy",
        "Mean over the classes of the share of their test images that are answered right.", "balanced",
    ),
    _extra("ema_accuracy", "Top-1, EMA", "Top-1 of the running mean of the weights.", "ema_top1"),
    _extra(
        "flip_accuracy", "Top-1, flipped",
        "Top-1 of the mean of the logits of an image and its mirror image.",
        "flip_top1",
    ),
    _extra(
        "shift_accuracy", "Top-1, shifted", "Mean of top-1 under the named changes of the test images.",
        lambda values: _mean(values.under_shift),
    ),
    _extra(
        "resolution_accuracy", "Top-1, other sizes", "Mean of top-1 at the other test resolutions.",
        lambda values: _mean(values.at_resolution),
    ),
    _extra(
        "shape_bias", "Shape bias",
        "Of images whose outline and texture disagree: the share of the outline among the answers that name "
        "either.", "shape_bias",
    ),
    Quantity(
        "core_seconds", "Training time", "core-s", "Processor time of the training loop in all threads.",
        "core_seconds", repeats=True, listed=False,
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
        work=_work,
        uses_input=False,  # it takes its channels and classes from its data set
        warnings=_warnings,
        code=dataset_code,
        check="ablate.data.checks:check_settings",
        inspect="ablate.data.checks:inspect_settings",
        content="ablate.data.checks:content_of",
    )
)
