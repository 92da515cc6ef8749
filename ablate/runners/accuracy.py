"""Accuracy after a short schedule: a fixed budget of images seen, the same for every layout, over seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.augment import augment, augmentation_for
from ablate.data.dataset import Dataset, Split, TensorSplit
from ablate.data.load import load
from ablate.errors import AblateError
from ablate.measurements.accuracy import AccuracyCondition, AccuracyValues
from ablate.measurements.base import Progress, Task
from ablate.measurements.values import FailedCell
from ablate.runners import device as devices
from ablate.runners.attention import training_attention
from ablate.runners.recipes import Recipe, recipe

POINTS = 50
"""Points of the training curve; also how often a run on a GPU is asked whether its loss is finite."""


class Diverged(FailedCell):
    """Training left the finite, or ended worse than guessing; `.step` says when. A failed row, not an
    accuracy."""

    status = "diverged"

    def __init__(self, reason: str, step: int):
        super().__init__(f"{reason} at step {step}")
        self.reason, self.step = reason, step


@dataclass(frozen=True)
class AccuracyProtocol:
    """How to train and test. `epochs` is the budget: images seen over training images, may be below 1.

    `lr` overrides the recipe's; `tune_lr` lists candidates to choose from on a validation split first, each
    with the full budget. `augment`: `None` lets the budget decide.
    """

    epochs: float
    seed: int = 0
    recipe: str = "short"
    batch: int = 128
    lr: float | None = None
    tune_lr: tuple[float, ...] = ()
    precision: str = "bf16"
    channels_last: bool = True
    augment: bool | None = None
    device: str = "cpu"
    eval_batch: int = 256

    def __post_init__(self) -> None:
        if not (self.epochs > 0 and math.isfinite(self.epochs)):
            raise AblateError(f"epochs must be positive, got {self.epochs}")
        if self.batch < 1 or self.eval_batch < 1:
            raise AblateError(f"batch must be at least 1, got {min(self.batch, self.eval_batch)}")
        if self.lr is not None and self.tune_lr:
            raise AblateError("give lr or tune_lr, not both")


@dataclass(frozen=True)
class Candidate:
    """One learning rate that was tried: its accuracy on the validation split, or why it has none."""

    lr: float
    top1: float | None
    loss: float | None
    diverged: str | None = None


@dataclass(frozen=True)
class AccuracyResult:
    """What a run gave. Accuracies in percent, times in seconds; `train_loss` is the mean of the last tenth.

    The training loss includes label smoothing; the test loss is the plain cross-entropy.
    """

    top1: float
    test_loss: float
    train_loss: float
    images_seen: int
    steps: int
    seconds: float  # of the training loop
    images_per_s: float
    curve: list[tuple[int, float]]  # images seen, mean training loss since the point before
    test_images: int
    recipe: dict[str, Any]  # complete, at the learning rate that was used
    augmentation: dict[str, Any]
    tuning: list[Candidate] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The result as plain lists and dictionaries."""
        return asdict(self)


OnStep = Callable[[int, int], None]


def run(task: Task[AccuracyCondition], progress: Progress) -> AccuracyValues:
    """One training run of one layout; its stem and head take the data set's channels and classes."""
    condition, layout = task.condition, task.layout
    dataset = load(
        condition.dataset,
        data_dir=condition.data_dir,
        resolution=condition.resolution,
        subset=condition.subset,
    )
    fields = {
        name: getattr(condition, name)
        for name in AccuracyProtocol.__dataclass_fields__
        if hasattr(condition, name)
    }
    result = train(
        lambda: layout.build(len(dataset.classes), dataset.channels),
        dataset,
        AccuracyProtocol(**fields),
        lambda done, total: progress(done / total),
    )
    return AccuracyValues.from_json(result.to_json())


def train(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    protocol: AccuracyProtocol,
    on_step: OnStep | None = None,
) -> AccuracyResult:
    """Build a model, train it by `protocol` on `dataset.train`, and judge it once on `dataset.test`.

    `protocol.seed` fixes the initial weights, the order of the images, their augmentation, and dropout;
    order and augmentation do not depend on the model, so that two layouts with one seed see the same
    batches. On a CPU with one thread the same seed gives the same result bit for bit. `on_step(done, total)`
    is called after every step. Raises `Diverged`, and `AblateError` for an unknown recipe, precision or
    device.
    """
    tuning = tune(build, dataset, protocol, on_step) if protocol.tune_lr else []
    how = recipe(protocol.recipe, best_lr(tuning) if tuning else protocol.lr)
    on_step = _part(on_step, len(tuning), len(tuning) + 1)
    run = _Run(dataset, protocol, how)
    with torch.random.fork_rng():
        torch.manual_seed(protocol.seed)
        model = build().to(run.device)
        if protocol.channels_last:
            model = model.to(memory_format=torch.channels_last)
        start = time.perf_counter()
        curve, train_loss = run.fit(model, on_step)
        seconds = time.perf_counter() - start
    top1, test_loss = run.test(model)
    seen = run.steps * protocol.batch
    return AccuracyResult(
        top1,
        test_loss,
        train_loss,
        seen,
        run.steps,
        seconds,
        seen / seconds,
        curve,
        len(dataset.test),
        asdict(how),
        asdict(run.augmentation),
        tuning,
    )


def tune(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    protocol: AccuracyProtocol,
    on_step: OnStep | None = None,
) -> list[Candidate]:
    """Train once with every learning rate of `protocol.tune_lr` and judge on a validation split.

    The test images take no part. Every candidate has the budget of the final run, in steps, and seed 0
    whatever the protocol's seed is, so that all seeds of one layout come to the same choice.
    """
    inner = dataset.for_tuning()
    epochs = protocol.epochs * len(dataset.train) / len(inner.train)
    found = []
    for index, lr in enumerate(protocol.tune_lr):
        trial = replace(protocol, lr=lr, tune_lr=(), seed=0, epochs=epochs)
        try:
            result = train(build, inner, trial, _part(on_step, index, len(protocol.tune_lr) + 1))
            found.append(Candidate(lr, result.top1, result.test_loss))
        except Diverged as reason:
            found.append(Candidate(lr, None, None, str(reason)))
    return found


def _part(on_step: OnStep | None, index: int, parts: int) -> OnStep | None:
    """Progress of one of several equal runs, told as progress of the whole."""
    if on_step is None or parts == 1:
        return on_step
    return lambda done, total: on_step(index * total + done, parts * total)


def best_lr(tried: list[Candidate]) -> float:
    """The learning rate with the best accuracy, the lower loss deciding ties. Raises `Diverged` when none
    has one."""
    scores = [
        (candidate.top1, -candidate.loss, candidate.lr)
        for candidate in tried
        if candidate.top1 is not None and candidate.loss is not None
    ]
    if not scores:
        raise Diverged("no learning rate of the tuning stayed finite; the last diverged", 0)
    return max(scores)[2]


class _Run:
    """One training run: what stays the same over its steps."""

    def __init__(self, dataset: Dataset, protocol: AccuracyProtocol, how: Recipe):
        self.protocol, self.how = protocol, how
        self.device = devices.resolve(protocol.device)
        self.dataset = dataset
        self.steps = max(1, round(protocol.epochs * len(dataset.train) / protocol.batch))
        self.augmentation = augmentation_for(dataset, protocol.epochs, protocol.augment)
        self.chance = math.log(max(2, len(dataset.classes)))  # loss of guessing all classes alike

    def fit(self, model: nn.Module, on_step: OnStep | None) -> tuple[list[tuple[int, float]], float]:
        """All steps of the schedule; the training curve, and the mean loss of the last tenth of the steps."""
        model.train()
        optimizers = self.how.optimizers(model)
        peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        losses: list[Tensor] = []
        curve: list[tuple[int, float]] = []
        every = max(1, self.steps // POINTS)
        for step, (images, labels) in enumerate(self.batches()):
            factor = self.how.factor(step, self.steps)
            for optimizer, rates in zip(optimizers, peaks, strict=True):
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
            losses.append(self.step(model, optimizers, images, labels))
            if (step + 1) % every == 0 or step + 1 == self.steps:
                done = 0 if not curve else curve[-1][0] // self.protocol.batch
                mean = self.checked(losses[done:], done)
                curve.append(((step + 1) * self.protocol.batch, mean))
            if on_step is not None:
                on_step(step + 1, self.steps)
        final = float(torch.stack(losses[-max(1, self.steps // 10) :]).mean())
        if final > 1.5 * self.chance:
            raise Diverged(
                f"the training loss ended at {final:.3g}, where guessing has {self.chance:.3g},", self.steps
            )
        return curve, final

    def step(
        self, model: nn.Module, optimizers: list[torch.optim.Optimizer], images: Tensor, labels: Tensor
    ) -> Tensor:
        """Forward, backward and one move of every parameter; the loss, still on the device."""
        logits = self.logits(model, images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.how.label_smoothing)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """The model's output in float32, in the protocol's precision; the same way in training and test."""
        precision = self.protocol.precision
        with devices.autocast(precision, self.device), training_attention(precision, self.device):
            output: Tensor = model(images)
        return output.float()

    def checked(self, losses: list[Tensor], first: int) -> float:
        """Mean of the losses of the steps from `first` on. Raises `Diverged` when one of them is not
        finite."""
        values = torch.stack(losses)
        wrong = (~values.isfinite()).nonzero()
        if len(wrong):
            raise Diverged("the training loss is not finite", first + int(wrong[0]) + 1)
        return float(values.mean())

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Exactly `steps` full batches, ready for the model: epoch after epoch, each in a new order."""
        protocol, train = self.protocol, self.dataset.train
        orders = torch.Generator().manual_seed(protocol.seed)
        draws = torch.Generator().manual_seed(protocol.seed + 2**32)
        wanted = self.steps * protocol.batch
        epochs = -(-wanted // len(train))
        order = torch.cat([torch.randperm(len(train), generator=orders) for _ in range(epochs)])[:wanted]
        for images, labels in self.on_device(train).batches(order, protocol.batch):
            moved = augment(images.to(self.device, non_blocking=True), self.augmentation, draws)
            yield self.network_input(moved), labels.to(self.device, non_blocking=True)

    def on_device(self, split: Split) -> Split:
        """A split in memory moves to a GPU as a whole; a stream stays where it is."""
        if isinstance(split, TensorSplit) and self.device.type != "cpu":
            return TensorSplit(split.images.to(self.device), split.labels.to(self.device))
        return split

    def network_input(self, images: Tensor) -> Tensor:
        """Bytes to normalised pixels, channels last where the protocol says so."""
        pixels = self.dataset.to_input(images)
        return pixels.contiguous(memory_format=torch.channels_last) if self.protocol.channels_last else pixels

    @torch.inference_mode()
    def test(self, model: nn.Module) -> tuple[float, float]:
        """Top-1 accuracy in percent and mean cross-entropy on the test split. Raises `Diverged` if not
        finite."""
        model.eval()
        right, total = 0, 0.0
        order = torch.arange(len(self.dataset.test))
        for images, labels in self.dataset.test.batches(order, self.protocol.eval_batch):
            labels = labels.to(self.device)
            logits = self.logits(model, self.network_input(images.to(self.device)))
            right += int((logits.argmax(1) == labels).sum())
            total += float(F.cross_entropy(logits, labels, reduction="sum"))
        if not math.isfinite(total):
            raise Diverged("the test loss is not finite", self.steps)
        return 100 * right / len(order), total / len(order)
