"""The loop that both dense tasks share: rates, steps, the learning curve, and when a run has failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ablate.data.dense.samples import DenseDataset
from ablate.errors import AblateError
from ablate.runners.dense.schedules import Schedule
from ablate.runners.diverged import Diverged
from ablate.runners.muon import Muon
from ablate.runners.recipes import muon_parameters

POINTS = 50
"""Points of the learning curve; also how often a run is asked whether its loss is finite."""

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """A training run: its learning curve, the mean loss of its last tenth, and its time in seconds."""

    curve: list[tuple[int, float]]
    loss: float
    seconds: float
    steps: int


def for_dataset(schedule: Schedule, dataset: DenseDataset[Any]) -> Schedule:
    """The schedule on this set: `short` scales images of files to 256 pixels; composed ones have a size."""
    if schedule.name != "short" or dataset.size is not None:
        return schedule
    if schedule.task == "detection":
        return replace(schedule, short_side=256, long_side=448)
    return replace(schedule, short_side=256, long_side=1024, crop=256, scales=(0.5, 2.0), most_of_one=0.75)


def make_optimizers(model: nn.Module, schedule: Schedule) -> list[Optimizer]:
    """AdamW for every weight that is moved, or Muon for the inner matrices and convolutions among them."""
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [] if schedule.muon is None else muon_parameters(model)
    chosen = {id(parameter) for parameter in matrices}
    rest = [parameter for parameter in moved if id(parameter) not in chosen]
    optimizers: list[Optimizer] = [
        AdamW(rest, lr=schedule.lr, betas=schedule.betas, weight_decay=schedule.weight_decay)
    ]
    if matrices:
        assert schedule.muon is not None
        optimizers.append(Muon(matrices, schedule.muon, weight_decay=schedule.weight_decay))
    return optimizers


def fit(
    model: nn.Module,
    backbone: nn.Module,
    schedule: Schedule,
    batches: Iterable[Any],
    loss_of: Callable[[Any], Tensor],
    images: int,
    *,
    freeze: bool = False,
    on_step: OnStep | None = None,
) -> Fitted:
    """Train `model` on all `batches`; `loss_of(batch)` runs it and gives its loss.

    `images` is the length of the training split, which milestones in epochs go by. With `freeze` the backbone
    stays in evaluation mode and is not moved. Raises `Diverged` when a loss is not finite.
    """
    model.train()
    if freeze:
        backbone.requires_grad_(False)
        backbone.eval()
    optimizers = make_optimizers(model, schedule)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    steps = schedule.total_steps(images)
    every = max(1, steps // POINTS)
    losses: list[Tensor] = []
    curve: list[tuple[int, float]] = []
    start, done = time.perf_counter(), 0
    for step, batch in enumerate(batches):
        factor = schedule.factor(step, steps, images)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = peak * factor
        loss = loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.detach())
        if (step + 1) % every == 0 or step + 1 == steps:
            curve.append(((step + 1) * schedule.batch, _checked(losses[done:], done)))
            done = step + 1
        if on_step is not None:
            on_step(step + 1, steps)
    if len(losses) != steps:
        raise AblateError(f"{len(losses)} batches for {steps} steps")
    final = float(torch.stack(losses[-max(1, steps // 10) :]).mean())
    return Fitted(curve, final, time.perf_counter() - start, steps)


def _checked(losses: list[Tensor], first: int) -> float:
    values = torch.stack(losses).float()
    wrong = (~values.isfinite()).nonzero()
    if len(wrong):
        raise Diverged("the training loss is not finite", first + int(wrong[0]) + 1)
    return float(values.mean())
