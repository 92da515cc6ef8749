"""From raw samples of several processes to a latency with its error, and to ratios between layouts.

Imports no torch. A sample is the time of one call on one batch, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ablate.measurements.throughput import ThroughputCondition, ThroughputValues
from ablate.measurements.values import Failure, Values
from ablate.statistics.seeds import summarize

BUSY = 0.25
"""Cores kept busy by other processes above which a measurement counts as disturbed."""


class MeasurementError(Exception):
    """Samples that cannot be: a duration of zero or less, or no sample at all."""


@dataclass(frozen=True)
class ProcessSamples(Values):
    """What one fresh process measured: `rounds[r][name]` are the seconds of single calls, in order.

    `failed` names the models that could not be timed and why. `load_*` is the machine's load average before
    and after, `others` how many cores other processes kept busy meanwhile, `clocks_*` a GPU's clocks.
    """

    batch: int
    rounds: list[dict[str, list[float]]]
    failed: dict[str, Failure] = field(default_factory=dict)
    load_before: float | None = None
    load_after: float | None = None
    others: float | None = None
    clocks_before: str | None = None
    clocks_after: str | None = None
    device: str = ""

    def __post_init__(self) -> None:
        for number, samples in enumerate(self.rounds):
            for name, seconds in samples.items():
                if not seconds or not all(math.isfinite(value) and value > 0 for value in seconds):
                    raise MeasurementError(
                        f"round {number} of {name} holds a duration that is not positive: the clock is too "
                        "coarse for this model; raise the batch"
                    )

    @property
    def names(self) -> list[str]:
        """The layouts that were timed in every round."""
        return list(self.rounds[0]) if self.rounds else []


def gather(
    parts: Sequence[Mapping[str, Any]], condition: ThroughputCondition, baseline: str
) -> dict[str, ThroughputValues]:
    """The values of every layout that all processes timed, from the plain data of the processes."""
    samples = [ProcessSamples.from_json(part) for part in parts]
    return combine(samples, baseline, condition.threads)


def combine(
    processes: Sequence[ProcessSamples], baseline: str, threads: int = 1
) -> dict[str, ThroughputValues]:
    """The result of every layout that all processes timed. Raises `MeasurementError` when there is none.

    Where the baseline was not timed, ratios are `None`.
    """
    names = (
        [name for name in processes[0].names if all(name in p.names for p in processes)] if processes else []
    )
    if not names:
        raise MeasurementError("no layout was timed in every process")
    return {
        name: _result(processes, name, baseline if baseline in names else None, threads) for name in names
    }


def _result(
    processes: Sequence[ProcessSamples], name: str, baseline: str | None, threads: int
) -> ThroughputValues:
    per_process = [
        1000 * median([seconds for samples in process.rounds for seconds in samples[name]])
        for process in processes
    ]
    latency, low, high = between_processes(per_process)
    ratio = ratio_low = ratio_high = tie = None
    ratios: tuple[float, ...] = ()
    if baseline == name:
        ratio = ratio_low = ratio_high = 1.0
    elif baseline is not None:
        ratios = tuple(ratio_within(process, name, baseline) for process in processes)
        ratio, ratio_low, ratio_high = between_processes(ratios)
        tie = None if ratio_low is None or ratio_high is None else ratio_low <= 1 <= ratio_high
    loads = [load for p in processes for load in (p.load_before, p.load_after) if load is not None]
    load = max(loads, default=None)
    others = max((p.others for p in processes if p.others is not None), default=None)
    busy = others > BUSY if others is not None else load is not None and load > threads + 0.5
    notes = ["one process: no interval"] if len(processes) < 2 else []
    notes += ["not resolved: a tie with the baseline"] if tie else []
    notes += [f"busy machine: {busy_with(others, load)}"] if busy else []
    return ThroughputValues(
        latency_ms=latency,
        low_ms=low,
        high_ms=high,
        images_per_s=1000 * processes[0].batch / latency,
        process_ms=tuple(per_process),
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        ratio_to=baseline or "",
        tie=tie,
        busy=busy,
        load_average=load,
        others=others,
        note="; ".join(notes),
        samples=tuple(tuple(tuple(samples[name]) for samples in process.rounds) for process in processes),
        process_ratios=ratios,
        batch=processes[0].batch,
    )


def busy_with(others: float | None, load: float | None) -> str:
    """What a busy machine was busy with, in words."""
    if others is not None:
        return f"other work kept up to {others:.1f} cores busy"
    return f"load average up to {load or 0:.1f}"


def ratio_within(process: ProcessSamples, name: str, baseline: str) -> float:
    """Median over a process's rounds of one layout's median time over the other's: drift between rounds
    cancels."""
    return median(median(samples[name]) / median(samples[baseline]) for samples in process.rounds)


def between_processes(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Median of positive values, one a process, and the 95 % t-interval of their logarithms' mean.

    Times scatter by factors, not by amounts, hence the logarithm; the interval is widened to hold the median.
    With one process there is no interval.
    """
    middle = median(values)
    summary = summarize([math.log(value) for value in values])
    if summary.low is None or summary.high is None:
        return middle, None, None
    return middle, min(middle, math.exp(summary.low)), max(middle, math.exp(summary.high))
