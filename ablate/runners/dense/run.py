"""`run_detection` and `run_segmentation`: from a layout and a protocol to a judged result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.data.dense.register import load_dense
from ablate.data.dense.samples import DenseDataset
from ablate.dense.models import RetinaNetModel, SemanticFPNModel
from ablate.dense.pyramid import Pyramid, build_pyramid
from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.runners.accuracy import Diverged
from ablate.runners.dense.detection import Detector
from ablate.runners.dense.protocol import DenseProtocol, DenseResult, judged_at
from ablate.runners.dense.schedules import Schedule
from ablate.runners.dense.segmentation import Segmenter
from ablate.runners.dense.stream import training_batches
from ablate.runners.dense.training import OnStep, fit, for_dataset
from ablate.runners.dense.transforms import TrainBoxes, TrainMasks
from ablate.runners.dense.weights import load_backbone, read_weights

State = Mapping[str, Tensor]


def run_dense(
    layout: Layout, protocol: DenseProtocol, state: State | None = None, on_step: OnStep | None = None
) -> DenseResult:
    """Train a dense model on a layout's backbone by `protocol`, and judge it once on the test images.

    `state` is a classifier's state dict that the backbone starts from, instead of `protocol.weights`. The
    seed fixes neck, head and backbone as they start, the order of the samples and every draw; samples and
    draws do not depend on the layout. On a CPU with one thread the same seed gives the same result bit for
    bit.
    Raises `Diverged`, and `AblateError` for bad data, weights or settings.
    """
    how = protocol.complete()  # mistakes in the settings come before the data
    dataset = load_dense(
        protocol.dataset,
        protocol.task,
        size=protocol.size,
        train_images=protocol.train_images,
        test_images=protocol.test_images,
    )
    return train_and_judge(layout, dataset, for_dataset(how, dataset), protocol, state, on_step)


def train_and_judge(
    layout: Layout,
    dataset: DenseDataset[Any],
    how: Schedule,
    protocol: DenseProtocol,
    state: State | None = None,
    on_step: OnStep | None = None,
) -> DenseResult:
    """`run_dense` on a set and a schedule that are at hand."""
    with torch.random.fork_rng():
        torch.manual_seed(protocol.seed)
        pyramid = build_pyramid(layout, pretrained=protocol.weights == "timm" and state is None)
        weights, notes = _start(pyramid, protocol, state)
        classes = len(dataset.classes)
        runner: Detector | Segmenter
        change: Any
        if protocol.task == "detection":
            net = RetinaNetModel(pyramid, classes, how.neck_dim)
            runner = Detector(net, dataset, how, protocol.precision, protocol.device)
            change = TrainBoxes(how, dataset.flip)
        else:
            model = SemanticFPNModel(pyramid, classes, how.neck_dim)
            runner = Segmenter(
                model, dataset, how, protocol.precision, protocol.device, protocol.channels_last
            )
            change = TrainMasks(how, dataset.flip, dataset.mean)
        images = len(dataset.train)
        steps = how.total_steps(images)
        batches = training_batches(dataset.train, change, steps, how.batch, protocol.seed, protocol.workers)
        fitted = fit(
            runner.net, pyramid, how, batches, runner.loss, images, freeze=protocol.freeze, on_step=on_step
        )
        scores = runner.judge(dataset)
    record = scores.to_json()
    return DenseResult(
        task=protocol.task,
        score=record["ap"] if protocol.task == "detection" else record["miou"],
        scores=record,
        train_loss=fitted.loss,
        images_seen=fitted.steps * how.batch,
        steps=fitted.steps,
        seconds=fitted.seconds,
        images_per_s=fitted.steps * how.batch / fitted.seconds,
        curve=fitted.curve,
        schedule=vars(how)
        | {"milestones": list(how.milestones), "betas": list(how.betas), "scales": list(how.scales)},
        test=judged_at(how, dataset),
        data=dataset.provenance(),
        weights=weights,
        notes=notes,
    )


def _start(pyramid: Pyramid, protocol: DenseProtocol, state: State | None) -> tuple[str, list[str]]:
    """Load the backbone's weights; where they came from, and what they did not hold."""
    if state is not None:
        source = "accuracy run"
    elif protocol.weights in ("none", "timm"):
        return protocol.weights, []
    else:
        source, state = Path(protocol.weights).name, read_weights(Path(protocol.weights).expanduser())
    fresh = load_backbone(pyramid, state, source)
    return source, [f"{len(fresh)} norm weights of the maps start fresh"] if fresh else []


__all__ = ["AblateError", "Diverged", "run_dense", "train_and_judge"]
