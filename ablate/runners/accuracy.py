"""Accuracy after a short schedule: a fixed budget, the same for every layout, over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from ablate.data import load
from ablate.data.dataset import Dataset
from ablate.data.shifts import named_shift, shifted_test
from ablate.data.splits import DrawnSplit
from ablate.errors import AblateError
from ablate.measurements.accuracy import AccuracyCondition, AccuracyValues, Candidate
from ablate.measurements.accuracy_protocol import AccuracyProtocol, Judged
from ablate.measurements.base import Progress, Task
from ablate.runners.accuracy_checkpoint import Checkpoint
from ablate.runners.accuracy_guard import IMAGES, guard
from ablate.runners.accuracy_testing import CONFUSION_CLASSES, Judge
from ablate.runners.accuracy_training import OnStep, Training
from ablate.runners.accuracy_weights import paired
from ablate.runners.diverged import Diverged
from ablate.runners.recipes import recipe
from ablate.runners.token_head import network_for

__all__ = [
    "AccuracyProtocol",
    "AccuracyValues",
    "Candidate",
    "Checkpoint",
    "Diverged",
    "best_lr",
    "dataset_of",
    "train",
    "tune",
]


def run(task: Task[AccuracyCondition], progress: Progress) -> AccuracyValues:
    """One training run of one layout, with the head that its data set's labels need.

    A run that was killed goes on from the checkpoint in `task.folder`. Raises what `load`, `Layout.build` and
    `train` raise.
    """
    condition, layout = task.condition, task.layout
    dataset = dataset_of(condition)
    return train(
        lambda: network_for(layout, dataset),
        dataset,
        condition,
        lambda done, total: progress(done / total),
        checkpoint=None if task.folder is None else Checkpoint(Path(task.folder)),
        shifts={text: shifted_test(dataset, *named_shift(text)) for text in condition.shifts},
    )


def dataset_of(protocol: Judged) -> Dataset:
    """The images that a run trains on and is judged by. Raises what `load` raises."""
    dataset = load(
        protocol.dataset, data_dir=protocol.data_dir, resolution=protocol.resolution, subset=protocol.subset
    )
    return dataset.for_tuning() if protocol.judge == "validation" else dataset


def train(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    protocol: AccuracyProtocol,
    on_step: OnStep | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    shifts: Mapping[str, Dataset] | None = None,
    on_trained: Callable[[nn.Module], None] | None = None,
    stop: int | None = None,
) -> AccuracyValues:
    """Build a model, train it by `protocol` on `dataset.train`, and judge it on `dataset.test`.

    With `stop` the run is judged after so many training images, in the middle of its schedule, and leaves a
    checkpoint from which it can go on; a stop that is not before the end is an `AblateError`.

    `protocol.seed` fixes the initial weights, by the name of each tensor; the order of the images, or which
    are drawn; their augmentation; and dropout. Order and augmentation do not depend on the model: two
    layouts with one seed see the same batches, and start from the same values where they share a tensor's
    name and shape. On a CPU with one thread the same seed gives the same result bit for bit, also when the
    run was killed and went on from `checkpoint`. `on_step(done, total)` is called after every step, and
    `on_trained` with the trained model, in evaluation mode. `shifts` are the same data set with other test
    images, by the name of the change, on which the trained model is judged too. Raises `Diverged`, and
    `AblateError` for an unknown recipe, precision or device, and where bfloat16 is wrong for the layout.
    """
    judge = Judge(dataset, protocol)
    if protocol.flip_test and not dataset.flip:
        raise AblateError(f"{dataset.name}: a mirrored image may change its class; flip_test cannot be used")
    tuning = tune(build, dataset, protocol, on_step, checkpoint=checkpoint) if protocol.tune_lr else []
    training_recipe = recipe(protocol.recipe, best_lr(tuning) if tuning else protocol.lr)
    on_step = _part(on_step, len(tuning), len(tuning) + 1)
    with torch.random.fork_rng():
        model = paired(build, protocol.seed_of("weights")).to(judge.device)
        if protocol.channels_last:
            model = model.to(memory_format=torch.channels_last)
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        own = checkpoint and checkpoint.of(
            protocol.model_dump(mode="json") | {"seed": protocol.seed},
            asdict(training_recipe),
            shapes,
            dataset.name,
            len(dataset.train),
            torch.__version__,
        )
        error = _precision_error(model, judge)
        training = Training(model, judge, training_recipe, own)
        train_loss = training.fit(on_step, stop=None if stop is None else _step_of(stop, training))
    result = _judged(training, train_loss, shifts or {})
    if own is not None and stop is None:
        own.clear()
    if on_trained is not None:
        on_trained(model)
    return replace(result, tuning=tuning, precision_error=error)


def _judged(training: Training, train_loss: float, shifts: Mapping[str, Dataset]) -> AccuracyValues:
    """The result of a finished training: everything that the protocol asks about the trained model."""
    judge, protocol, model = training.judge, training.protocol, training.model
    try:
        scores = judge.test(model)
    except Diverged as reason:
        raise Diverged(reason.reason, training.steps) from None
    kinds, seen = len(judge.dataset.classes), training.done * protocol.batch
    return AccuracyValues(
        top1=scores.top1,
        test_loss=scores.loss,
        train_loss=train_loss,
        images_seen=seen,
        steps=training.done,
        seconds=training.seconds,
        images_per_s=seen / training.seconds,
        curve=training.curve,
        test_images=len(judge.dataset.test),
        recipe={**asdict(training.recipe), "betas": list(training.recipe.betas)},
        augmentation=asdict(training.augmentation),
        balanced=scores.balanced,
        recall=scores.recall,
        confusion=scores.confusion.tolist() if kinds <= CONFUSION_CLASSES else None,
        groups=judge.group_scores(scores),
        ema_top1=None if training.ema is None else judge.test(training.ema.module).top1,
        flip_top1=judge.test(model, flip=True).top1 if protocol.flip_test else None,
        at_resolution={
            pixels: judge.at_resolution(pixels).test(model).top1 for pixels in protocol.test_resolutions
        },
        under_shift={name: Judge(other, protocol).test(model).top1 for name, other in shifts.items()},
        test_curve=training.test_curve,
        core_seconds=training.core_seconds,
        continued=training.continued,
    )


def _step_of(images: int, training: Training) -> int:
    """The step after which so many images were seen."""
    step = max(1, round(images / training.protocol.batch))
    if step >= training.steps:
        whole = training.steps * training.protocol.batch
        raise AblateError(f"a stop after {images} images is not before the end of the schedule, {whole}")
    return step


def _precision_error(model: nn.Module, judge: Judge) -> float | None:
    """What bfloat16 costs on the first training images; `None` where it is not used."""
    if judge.protocol.precision != "bf16":
        return None
    train = judge.dataset.train
    if isinstance(train, DrawnSplit):
        images = train.held_out(IMAGES, 0).images
    else:
        first = torch.arange(min(IMAGES, len(train)))
        images, _ = next(iter(train.batches(first, len(first))))
    return guard(model, judge.network_input(images), judge.device)


def tune(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    protocol: AccuracyProtocol,
    on_step: OnStep | None = None,
    *,
    checkpoint: Checkpoint | None = None,
) -> list[Candidate]:
    """Train once with every learning rate of `protocol.tune_lr` and judge on a validation split.

    The test images take no part. Every candidate has the budget of the final run, in steps, and seed 0
    whatever the protocol's seed is, so that all seeds of one layout come to the same choice.
    """
    inner = dataset.for_tuning()
    changes: dict[str, float] = {}
    if protocol.epochs is not None:
        changes["epochs"] = protocol.epochs * len(dataset.train) / len(inner.train)
    plain = protocol.but(tune_lr=(), seed=0, ema=False, flip_test=False, test_resolutions=(), curve_tests=0)
    tried = []
    for index, lr in enumerate(protocol.tune_lr):
        trial = plain.but(lr=lr, **changes)
        own = checkpoint and checkpoint.of(
            "tuned", trial.model_dump(mode="json"), inner.name, len(inner.train)
        )
        if own is not None and (known := own.load()) is not None:
            tried.append(Candidate(**known))
            continue
        try:
            part = _part(on_step, index, len(protocol.tune_lr) + 1)
            result = train(build, inner, trial, part, checkpoint=checkpoint)
            tried.append(Candidate(lr, result.top1, result.test_loss))
        except Diverged as reason:
            tried.append(Candidate(lr, None, None, str(reason)))
        if own is not None:
            own.save(asdict(tried[-1]))
    return tried


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
