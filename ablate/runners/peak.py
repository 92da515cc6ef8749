"""The machine's peak in arithmetic and bandwidth, which roofline times are worked out with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablate.cost.roofline import machine_peak
from ablate.measurements.base import Progress, Task
from ablate.measurements.scaling import Peak, ScalingCondition
from ablate.runners import device as devices
from ablate.runners.provenance import load_average


def run(task: Task[ScalingCondition], progress: Progress) -> dict[str, Any]:
    """The peak of the condition's device, as plain data of `Peak`, with the load average before it."""
    device = devices.resolve(task.condition.device)
    load = load_average()
    peak = machine_peak(str(device))
    return asdict(Peak(**asdict(peak), name=devices.name_of(device), load_average=load))
