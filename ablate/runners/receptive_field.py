"""The effective receptive field of every stage: how much of the image moves one unit of a feature map.

W. Luo et al., Understanding the effective receptive field in deep convolutional neural networks, NeurIPS
2016, arXiv 1701.04128. The theoretical field says which pixels could matter; here it is measured which do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.dataset import Dataset
from ablate.data.splits import DrawnSplit
from ablate.errors import AblateError
from ablate.measurements.accuracy_protocol import AccuracyProtocol
from ablate.measurements.base import Progress, Task
from ablate.measurements.receptive_field import (
    ReceptiveFieldCondition,
    ReceptiveFieldValues,
    Share,
    StageField,
)
from ablate.model import Backbone
from ablate.runners.accuracy import dataset_of, train
from ablate.runners.accuracy_testing import Judge
from ablate.runners.accuracy_training import OnStep
from ablate.runners.accuracy_weights import paired
from ablate.runners.token_head import TokenClassifier, network_for
from ablate.statistics.seeds import summarize

MAP_SIDE = 64
"""Longest side of a map that is kept for the picture."""
BATCH = 8


def run(task: Task[ReceptiveFieldCondition], progress: Progress) -> ReceptiveFieldValues:
    """The fields of one layout on its data set, before and, where the condition says so, after training."""
    condition, layout = task.condition, task.layout
    dataset = dataset_of(condition)
    return measure_receptive_field(
        lambda: network_for(layout, dataset),
        dataset,
        condition,
        condition.probes,
        training=condition.trained,
        on_step=lambda done, total: progress(done / total),
    )


def measure_receptive_field(
    build: Callable[[], nn.Module],
    dataset: Dataset,
    protocol: AccuracyProtocol,
    images: int = 32,
    *,
    training: bool = True,
    on_step: OnStep | None = None,
) -> ReceptiveFieldValues:
    """The fields on the first `images` test images, before and, with `training`, after a run by `protocol`.

    Both sides have the run's initial weights and its seed. Raises `AblateError` for a network whose stages
    cannot be told apart, and what `train` raises.
    """
    if images < 1:
        raise AblateError(f"images must be at least 1, got {images}")
    if isinstance(dataset.test, DrawnSplit):
        raise AblateError(f"{dataset.name} has no test images of its own")
    judge = Judge(dataset, protocol)
    count = min(images, len(dataset.test))
    stored, _ = next(iter(dataset.test.batches(torch.arange(count), count)))
    pixels = judge.network_input(stored)
    untrained = paired(build, protocol.seed).to(judge.device)
    before = fields(untrained, pixels, protocol.seed)
    if not training:
        return ReceptiveFieldValues(dataset.resolution, count, before)
    trained: list[nn.Module] = []
    result = train(build, dataset, protocol, on_step, on_trained=trained.append)
    after = fields(trained[0], pixels, protocol.seed)
    return ReceptiveFieldValues(dataset.resolution, count, before, after, result.top1)


def fields(model: nn.Module, pixels: Tensor, seed: int = 0) -> list[StageField]:
    """The field of every stage on images `(N, C, H, W)`, in float32, in evaluation mode."""
    model.eval()
    parts = [gradients(model, part, seed + place) for place, part in enumerate(torch.split(pixels, BATCH))]
    return [
        _field(number, torch.cat(stage)) for number, stage in enumerate(zip(*parts, strict=True), start=1)
    ]


def gradients(model: nn.Module, pixels: Tensor, seed: int = 0) -> list[Tensor]:
    """|d (u . y) / d x| summed over the input's channels, `(N, H, W)` for each stage, in float64.

    y is the stage's output at its centre, row h // 2 and column w // 2; u is a direction among its channels,
    drawn anew for each image, so that channels that pull in opposite directions do not cancel.
    """
    x = pixels.detach().clone().requires_grad_()
    maps = stage_maps(model, x)
    generator = torch.Generator().manual_seed(seed)
    magnitudes = []
    for number, output in enumerate(maps):
        centre = output[:, :, output.shape[2] // 2, output.shape[3] // 2]
        direction = torch.randn(centre.shape, generator=generator).to(centre.device)
        (gradient,) = torch.autograd.grad((centre * direction).sum(), x, retain_graph=number + 1 < len(maps))
        magnitudes.append(gradient.double().abs().sum(1))
    return magnitudes


def stage_maps(model: nn.Module, x: Tensor) -> list[Tensor]:
    """The output of every stage, `(N, C, h, w)`. Raises `AblateError` for a network without stages."""
    if isinstance(model, TokenClassifier):
        model = model.backbone
    if isinstance(model, Backbone):
        return model.features(x)
    network: Any = model
    if hasattr(network, "forward_intermediates"):  # timm's classifiers
        return list(network.forward_intermediates(x, intermediates_only=True))
    if hasattr(network, "feature_info"):  # timm's backbones
        return list(network(x))
    raise AblateError(f"{type(model).__name__} does not tell its stages apart: no receptive field")


def area_share(gradient: Tensor, part: float) -> Tensor:
    """The smallest share of the area that holds `part` of each gradient `(N, H, W)`, in 0..1, `(N,)`.

    Where nothing moves the unit at all the share is 0.
    """
    values = gradient.flatten(1).sort(1, descending=True).values
    held = values.cumsum(1)
    total = held[:, -1:]
    pixels = (held < part * total).sum(1) + 1  # the pixel that crosses the mark is needed too
    return torch.where(total[:, 0] > 0, pixels / values.shape[1], 0.0)


def _field(number: int, gradient: Tensor) -> StageField:
    half, most = (_share(100 * area_share(gradient, part)) for part in (0.5, 0.95))
    whole = gradient / gradient.sum((1, 2), keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
    mean = whole.mean(0)
    longest = max(mean.shape)
    if longest > MAP_SIDE:
        height, width = (max(1, round(side * MAP_SIDE / longest)) for side in mean.shape)
        small = F.adaptive_avg_pool2d(mean[None, None], (height, width))[0, 0]
        mean = small * (mean.sum() / small.sum().clamp_min(torch.finfo(small.dtype).tiny))
    return StageField(number, half, most, mean.cpu().tolist())


def _share(values: Tensor) -> Share:
    summary = summarize(values.tolist())
    return Share(summary.mean, summary.low, summary.high)
