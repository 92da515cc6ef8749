"""How a run ends that is no accuracy, and how often it is looked at."""

from __future__ import annotations

from ablate.measurements.values import FailedCell

POINTS = 50
"""Points of the training curve; also how often a run on a GPU is asked whether its loss is finite."""


class Diverged(FailedCell):
    """Training left the finite, or ended worse than guessing; `.step` says when. A failed row, not an
    accuracy."""

    status = "diverged"

    def __init__(self, reason: str, step: int):
        super().__init__(f"{reason} at step {step}")
        self.reason, self.step = reason, step
