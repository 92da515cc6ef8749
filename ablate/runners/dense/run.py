"""From a layout and a protocol to a judged dense model: cells of `detection` and of `segmentation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ablate.data.dense.register import load_dense
from ablate.data.dense.samples import DenseDataset
from ablate.dense.models import SemanticFPNModel
from ablate.dense.pyramid import Pyramid, build_pyramid
from ablate.errors import AblateError
from ablate.layout.network import Network
from ablate.measurements.accuracy import AccuracyCondition
from ablate.measurements.base import Progress, Task
from ablate.measurements.dense_training import DenseCondition
from ablate.measurements.detection import BoxScores, DetectionValues
from ablate.measurements.segmentation import SegmentationValues
from ablate.runners.accuracy import dataset_of, train
from ablate.runners.accuracy_checkpoint import Checkpoint
from ablate.runners.dense.detection import Detector, retinanet
from ablate.runners.dense.schedules import Schedule, schedule_of
from ablate.runners.dense.segmentation import Segmenter
from ablate.runners.dense.stream import training_batches
from ablate.runners.dense.training import OnStep, fit, for_dataset
from ablate.runners.dense.transforms import TrainBoxes, TrainMasks
from ablate.runners.dense.weights import load_backbone, read_weights
from ablate.runners.token_head import network_for

State = Mapping[str, Tensor]
Result = DetectionValues | SegmentationValues


def run(task: Task[DenseCondition], progress: Progress) -> Result:
    """One training run of one layout, after that of its classifier where its weights are asked for.

    Raises what `run_dense` raises.
    """
    condition = task.condition
    parts = 2 if condition.classifier is not None else 1

    def on_step(done: int, total: int) -> None:
        progress((done / total + parts - 1) / parts)

    state = None
    if condition.classifier is not None:
        folder = None if task.folder is None else Path(task.folder)
        state = classifier_weights(
            task.layout, condition.classifier, folder, lambda done, total: progress(done / total / parts)
        )
    return run_dense(task.layout, condition, state, on_step)


def classifier_weights(
    layout: Network, condition: AccuracyCondition, folder: Path | None = None, on_step: OnStep | None = None
) -> State:
    """The weights of an accuracy cell, from the same run as the cell's: on a CPU the same bit for bit.

    A run that was killed goes on from the checkpoint in `folder`. Raises what `train` raises, and
    `AblateError` for images without three channels or labels for every token, whose network has another stem
    or head.
    """
    dataset = dataset_of(condition)
    if dataset.channels != 3 or dataset.per_token:
        reason = "labels every token" if dataset.per_token else f"has {dataset.channels} channels"
        raise AblateError(f"{condition.dataset} {reason}: dense models start from a classifier of RGB images")
    trained: list[nn.Module] = []
    train(
        lambda: network_for(cast(Any, layout), dataset),
        dataset,
        condition,
        on_step,
        checkpoint=None if folder is None else Checkpoint(folder),
        on_trained=trained.append,
    )
    return {name: value.detach().cpu() for name, value in trained[0].state_dict().items()}


def run_dense(
    layout: Network, protocol: DenseCondition, state: State | None = None, on_step: OnStep | None = None
) -> Result:
    """Train a dense model on a layout's backbone by `protocol`, and judge it once on the test images.

    `state` is a classifier's state dict that the backbone starts from, instead of `protocol.pretrain`. The
    seed fixes neck, head and backbone as they start, the order of the samples and every draw; samples and
    draws do not depend on the layout. On a CPU with one thread the same seed gives the same result bit for
    bit. Raises `Diverged`, and `AblateError` for bad data, weights or settings.
    """
    schedule = schedule_of(protocol)
    if protocol.pretrain == "accuracy" and state is None:
        if protocol.classifier is None:
            raise AblateError("pretrain: accuracy needs an accuracy section in the study")
        state = classifier_weights(layout, protocol.classifier)
    dataset = load_dense(
        protocol.dataset,
        protocol.task,
        size=protocol.size,
        train_images=protocol.train_images,
        test_images=protocol.test_images,
    )
    return train_and_judge(layout, dataset, for_dataset(schedule, dataset), protocol, state, on_step)


def train_and_judge(
    layout: Network,
    dataset: DenseDataset[Any],
    schedule: Schedule,
    protocol: DenseCondition,
    state: State | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """`run_dense` on a set and a schedule that are at hand."""
    with torch.random.fork_rng():
        torch.manual_seed(protocol.seed)
        pyramid = build_pyramid(layout, pretrained=protocol.pretrain == "timm" and state is None)
        weights, notes = _start(pyramid, protocol, state)
        classes = len(dataset.classes)
        runner: Detector | Segmenter
        change: Any
        if protocol.task == "detection":
            net = retinanet(pyramid, classes, schedule)
            runner = Detector(net, dataset, schedule, protocol.precision, protocol.device)
            change = TrainBoxes(schedule, dataset.flip)
        else:
            model = SemanticFPNModel(pyramid, classes, schedule.neck_dim)
            runner = Segmenter(
                model, dataset, schedule, protocol.precision, protocol.device, protocol.channels_last
            )
            change = TrainMasks(schedule, dataset.flip, dataset.mean)
        images = len(dataset.train)
        steps = schedule.total_steps(images)
        batches = training_batches(
            dataset.train, change, steps, schedule.batch, protocol.seed, protocol.workers
        )
        fitted = fit(
            runner.net,
            pyramid,
            schedule,
            batches,
            runner.loss,
            images,
            freeze=protocol.freeze,
            on_step=on_step,
        )
        scores = runner.judge(dataset)
    shared: dict[str, Any] = {
        "train_loss": fitted.loss,
        "images_seen": fitted.steps * schedule.batch,
        "steps": fitted.steps,
        "seconds": fitted.seconds,
        "images_per_s": fitted.steps * schedule.batch / fitted.seconds,
        "curve": fitted.curve,
        "schedule": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(schedule).items()},
        "test": judged_at(schedule, dataset),
        "data": dataset.provenance(),
        "weights": weights,
        "notes": notes,
    }
    if isinstance(scores, BoxScores):
        return DetectionValues(scores=scores, **shared)
    return SegmentationValues(scores=scores, **shared)


def judged_at(schedule: Schedule, dataset: DenseDataset[Any]) -> str:
    """How test images are made, in words: it moves mIoU by two points."""
    if schedule.short_side:
        size = f"short side {schedule.short_side}, long side at most {schedule.long_side} pixels"
    elif dataset.size is not None:
        size = f"images of {dataset.size[1]} x {dataset.size[0]} pixels"
    else:
        size = "images as they are"
    align = "padded" if schedule.task == "detection" else "resized"
    return f"{size}, sides {align} to multiples of {schedule.divisor}, one scale, not mirrored"


def _start(pyramid: Pyramid, protocol: DenseCondition, state: State | None) -> tuple[str, list[str]]:
    """Load the backbone's weights; where they came from, and what they did not hold."""
    if state is not None:
        source = "accuracy run"
    elif protocol.pretrain in ("none", "timm"):
        return protocol.pretrain, []
    else:
        source, state = Path(protocol.pretrain).name, read_weights(Path(protocol.pretrain).expanduser())
    fresh = load_backbone(pyramid, state, source)
    return source, [f"{len(fresh)} norm weights of the maps start fresh"] if fresh else []
