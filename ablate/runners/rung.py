"""Accuracy on the way: the first part of a training, which the whole one goes on from."""

from __future__ import annotations

from pathlib import Path

from ablate.measurements.accuracy import AccuracyCondition, AccuracyValues
from ablate.measurements.base import Progress, Task
from ablate.measurements.rung import RungCondition
from ablate.runners.accuracy import Checkpoint, dataset_of, train
from ablate.runners.token_head import network_for


def run(task: Task[RungCondition], progress: Progress) -> AccuracyValues:
    """The training that `accuracy` would make, judged after `condition.stop` images.

    It goes on from the checkpoint in `task.folder`, and leaves its own there, under the name under which the
    whole training looks for it. Raises what `ablate.runners.accuracy.run` raises, and `AblateError` where the
    stop is not before the end of the schedule.
    """
    asked, layout = task.condition, task.layout
    whole = AccuracyCondition(**asked.model_dump(exclude={"stop"}))
    dataset = dataset_of(whole)
    return train(
        lambda: network_for(layout, dataset),
        dataset,
        whole,
        lambda done, total: progress(min(1.0, done * whole.batch / asked.stop)),
        checkpoint=None if task.folder is None else Checkpoint(Path(task.folder)),
        stop=asked.stop,
    )
