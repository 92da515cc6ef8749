"""Curves and crossovers of a layout against the baseline, as the values of a `scaling` cell."""

from __future__ import annotations

from ablate.cost.compare.scaling import scaling
from ablate.cost.roofline import MachinePeak
from ablate.measurements.base import Progress, Task
from ablate.measurements.scaling import PEAK, Peak, ScalingCondition, ScalingValues


def run(task: Task[ScalingCondition], progress: Progress) -> ScalingValues:
    """The first layout against the baseline, with the study's machine peak."""
    condition = task.condition
    peak = Peak(**task.facts[PEAK])
    record = scaling(
        task.layout,
        task.layouts[task.baseline],
        condition.resolutions,
        peak=MachinePeak(peak.macs_per_second, peak.bytes_per_second, peak.device, peak.threads),
        channels=task.channels,
        classes=task.classes,
        timed=condition.timed_resolutions,
        timed_batch=condition.timed_batch,
    )
    return ScalingValues.from_json(record | {"peak": task.facts[PEAK]})
