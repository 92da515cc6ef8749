"""Roofline times of a study, and the machine's peak behind them."""

from __future__ import annotations

import math

from ablate.measurements.scaling import Peak, ScalingCondition, ScalingValues
from ablate.measurements.throughput import ThroughputCondition
from ablate.report.numbers import plural, scaled, significant
from ablate.report.results import Results
from ablate.run.rows import AnyRecord


def grown(results: Results) -> list[tuple[str, ScalingCondition, ScalingValues]]:
    """The layout, condition and values of every finished scaling cell."""
    return [
        (record.layout, record.condition, record.values)
        for record in results.done("scaling")
        if isinstance(record.values, ScalingValues)
    ]


class Rooflines:
    """The least time in ms of one forward pass of a timed batch, by layout and resolution."""

    def __init__(self, results: Results):
        self._times: dict[tuple[str, int], float] = {}
        self._condition: tuple[int, int, str] | None = None
        for layout, condition, values in grown(results):
            self._condition = (values.timed.batch, condition.threads, condition.device)
            for side, time in zip(values.timed.resolutions, values.timed.roofline_ms, strict=True):
                if time is not None:
                    self._times[layout, side] = time

    def __bool__(self) -> bool:
        return bool(self._times)

    def of(self, record: AnyRecord) -> float:
        """The roofline time of a timed cell, in ms; NaN where there is none.

        It is that of an uncompiled fp32 forward pass with the threads that the peak was measured with.
        """
        condition = record.condition
        assert isinstance(condition, ThroughputCondition)
        plain = (condition.mode, condition.precision, condition.compile) == ("inference", "fp32", False)
        if not plain or (condition.batch, condition.threads, condition.device) != self._condition:
            return math.nan
        return self._times.get((record.layout, condition.resolution), math.nan)


def roofline_note(results: Results) -> str | None:
    """What roofline time is, and the peak that it was worked out with."""
    peaks = list(dict.fromkeys(values.peak for _, _, values in grown(results)))
    if not peaks:
        return None
    return (
        "Roofline time is the sum over the layout's parts of max(MACs / peak arithmetic, bytes / peak "
        "bandwidth), every operator's operands going to memory. Measured time can be shorter where they stay "
        f"in a cache. {' '.join(map(_peak, peaks))}"
    )


def _peak(peak: Peak) -> str:
    load = peak.load_average
    busy = f", load average {significant(load, 2)} at the time" if load is not None else ""
    return (
        f"Measured peak of {peak.name or peak.device} with {plural(peak.threads, 'thread')}, fp32: "
        f"{scaled(peak.macs_per_second, 'MACs/s')} and {scaled(peak.bytes_per_second, 'B/s')}{busy}."
    )
