"""Schedules of dense tasks by name, complete: what moves the weights, for how long, and on which pixels.

`1x` is RetinaNet's as PVT and its successors publish it, `40k` Semantic FPN's; `short` is this project's, for
ablations on small sets. A schedule goes into the row of its run as it stands here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from ablate.data.dense.samples import Task
from ablate.errors import AblateError, did_you_mean
from ablate.measurements.dense_training import DenseProtocol


@dataclass(frozen=True)
class Schedule:
    """One way of training a dense model with AdamW.

    The budget is `epochs` over the training images, or `steps`. The rate grows linearly over `warmup` steps
    (below 1: that share of all steps) from `warmup_from` times itself; then it falls by 10 after each of
    `milestones` (epochs), or as (1 - t)^`power`, or along a cosine to zero.

    `short_side` and `long_side` bound an image's sides at test time and, in detection, in training (pixels;
    0: as it is). `crop` is the side of a training crop in segmentation, taken after scaling by `scales`.
    """

    name: str
    task: Task
    batch: int
    lr: float
    weight_decay: float
    decay: Literal["steps", "poly", "cosine"]
    epochs: float | None = None
    steps: int | None = None
    warmup: float = 0.0
    warmup_from: float = 0.0
    milestones: tuple[int, ...] = ()
    power: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    short_side: int = 0
    long_side: int = 0
    crop: int = 0
    scales: tuple[float, float] = (1.0, 1.0)
    most_of_one: float = 1.0  # share of a crop that one class may fill; ten crops are tried
    distort: bool = False  # brightness, contrast, saturation and hue
    flip: bool = True
    divisor: int = 32  # sides are padded (detection) or resized (segmentation) to multiples of it
    neck_dim: int = 256
    anchor: int = 4  # side of the smallest anchor of a level, in strides
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height over width of the anchors
    convolutions: int = 4  # of both parts of RetinaNet's head, before the last one
    groups: int = 0  # of the group norms behind those convolutions; 0: no norms
    prior: float = 0.01  # probability of every class that RetinaNet's head starts with
    muon: float | None = None  # rate of Muon for inner matrices and convolutions; the rest stays with AdamW
    balance: float = 0.0  # a class weighs its share of a batch's pixels to minus this; 0: as published
    candidates: int = 1000  # best boxes of a level that non-maximum suppression looks at

    def total_steps(self, images: int) -> int:
        """Steps of the whole run over a training split of that many images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * images / self.batch))

    def factor(self, step: int, steps: int, images: int) -> float:
        """The rate of step `step` of `steps` (from 0), as a fraction of `lr`."""
        warmup = self.warmup * steps if 0 < self.warmup < 1 else self.warmup
        grown = 1.0
        if step < warmup:
            # published schedules start at `warmup_from` itself, `short` in the middle of its first step
            done = (step if self.warmup_from else step + 0.5) / warmup
            grown = self.warmup_from + (1 - self.warmup_from) * done
        if self.decay == "steps":
            passed = sum(step * self.batch >= milestone * images for milestone in self.milestones)
            return grown * 0.1**passed
        if self.decay == "poly":
            return grown * float((1 - step / steps) ** self.power)
        if step < warmup:
            return grown
        return 0.5 * (1 + math.cos(math.pi * (step + 0.5 - warmup) / (steps - warmup)))


_SHORT = Schedule(
    "short",
    "detection",
    batch=16,
    lr=4e-3,
    weight_decay=0.05,
    decay="cosine",
    epochs=1,
    warmup=0.1,
    muon=0.03,
    neck_dim=64,
)
SCHEDULES: dict[tuple[str, Task], Schedule] = {
    ("1x", "detection"): Schedule(
        "1x",
        "detection",
        batch=16,
        lr=1e-4,
        weight_decay=1e-4,
        decay="steps",
        epochs=12,
        warmup=500,
        warmup_from=0.001,
        milestones=(8, 11),
        short_side=800,
        long_side=1333,
    ),
    ("40k", "segmentation"): Schedule(
        "40k",
        "segmentation",
        batch=32,
        lr=2e-4,
        weight_decay=1e-4,
        decay="poly",
        steps=40_000,
        short_side=512,
        long_side=2048,
        crop=512,
        scales=(0.5, 2.0),
        most_of_one=0.75,
        distort=True,
    ),
    ("short", "detection"): replace(
        _SHORT,
        task="detection",
        anchor=2,
        ratios=(1.0,),
        convolutions=1,
        groups=8,
        prior=0.1,
        candidates=100,
    ),
    ("short", "segmentation"): replace(_SHORT, task="segmentation", balance=0.5),
}


def schedule_of(protocol: DenseProtocol) -> Schedule:
    """The schedule that a protocol names, with its budget, rate and batch where it gives them.

    Raises `AblateError` for a name that the task does not have.
    """
    known = tuple(sorted(word for word, task in SCHEDULES if task == protocol.task))
    if protocol.schedule not in known:
        hint = did_you_mean(protocol.schedule, known)
        raise AblateError(f"unknown schedule of {protocol.task} {protocol.schedule!r}{hint}")
    chosen = SCHEDULES[protocol.schedule, protocol.task]
    names = ("epochs", "steps", "lr", "batch")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(protocol, name)) is not None}
    if protocol.lr is not None and chosen.muon is not None:  # both rates keep their ratio
        given["muon"] = chosen.muon * protocol.lr / chosen.lr
    if protocol.steps is not None:
        given["epochs"] = None
    changed: Schedule = replace(chosen, **given)
    return changed
