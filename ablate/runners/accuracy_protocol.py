"""How a run trains and tests: everything that may change its figures besides the network and the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ablate.errors import AblateError

POINTS = 50
"""Points of the training curve; also how often a run on a GPU is asked whether its loss is finite."""


class Diverged(Exception):  # noqa: N818  (a status of a cell, not a bug)
    """Training left the finite, or ended worse than guessing; `.step` says when. A failed row, not an
    accuracy."""

    def __init__(self, reason: str, step: int):
        super().__init__(f"{reason} at step {step}")
        self.reason, self.step = reason, step


@dataclass(frozen=True)
class AccuracyProtocol:
    """How to train and test. The budget is one of `epochs` (images seen over training images, may be below
    1), `images` seen, and `core_seconds`: processor time of the training loop in all threads, on a GPU wall
    time, turned into a number of steps by timing a few of them first.

    `lr` overrides the recipe's; `tune_lr` lists candidates to choose from on a validation split first, each
    with the full budget. `augment`: `None` lets the budget decide. `class_weights`: `balanced` weights the
    loss of a class by (images / classes) / images of it. `ema`: judge the running mean of the weights too,
    whose half-life is a twentieth of the run. `flip_test`: judge the mean of the logits of every image and
    its mirror image too. `test_resolutions`: judge the trained network at these sizes in pixels too.
    `curve_tests`: judge it that many times on the way; nothing is chosen by it.
    """

    epochs: float | None = None
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
    images: int | None = None
    core_seconds: float | None = None
    class_weights: Literal["none", "balanced"] = "none"
    ema: bool = False
    flip_test: bool = False
    test_resolutions: tuple[int, ...] = ()
    curve_tests: int = 0

    def __post_init__(self) -> None:
        budgets = {"epochs": self.epochs, "images": self.images, "core_seconds": self.core_seconds}
        given = {name: budget for name, budget in budgets.items() if budget is not None}
        if len(given) != 1:
            raise AblateError(
                f"give one budget, epochs, images or core_seconds; got {' and '.join(given) or 'none'}"
            )
        for name, budget in given.items():
            if not (budget > 0 and math.isfinite(budget)):
                raise AblateError(f"{name} must be positive, got {budget}")
        if self.batch < 1 or self.eval_batch < 1:
            raise AblateError(f"batch must be at least 1, got {min(self.batch, self.eval_batch)}")
        if self.lr is not None and self.tune_lr:
            raise AblateError("give lr or tune_lr, not both")
        if self.class_weights not in ("none", "balanced"):
            raise AblateError(f"class_weights must be none or balanced, got {self.class_weights!r}")
        if any(resolution < 1 for resolution in self.test_resolutions):
            raise AblateError(f"test_resolutions must be at least 1 pixel, got {self.test_resolutions}")
        if self.curve_tests < 0:
            raise AblateError(f"curve_tests must not be negative, got {self.curve_tests}")

    def steps(self, training_images: int) -> int | None:
        """Optimizer steps of the budget, 1 at least; `None` where only a clock can tell."""
        if self.images is not None:
            return max(1, round(self.images / self.batch))
        if self.epochs is not None:
            return max(1, round(self.epochs * training_images / self.batch))
        return None
