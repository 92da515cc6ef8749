"""How noisy a machine is: one model against itself, timed as the layouts of a study are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ablate.errors import AblateError
from ablate.measurements.base import Scope
from ablate.measurements.register import measurement
from ablate.measurements.throughput import ThroughputValues
from ablate.measurements.values import Values
from ablate.run.executors.base import Executor
from ablate.run.prepare import study_job
from ablate.run.records import Outcome, plain
from ablate.study.measure import settings_of
from ablate.study.study import Study


@dataclass(frozen=True)
class Noise(Values):
    """An A/A test: latency of a model and its interval, and the ratio of two copies with its own."""

    processes: int
    latency_ms: float
    latency_spread: float  # half the 95 % interval of the latency, as a part of it
    ratio: float
    ratio_low: float
    ratio_high: float
    busy: bool

    @property
    def resolvable(self) -> float:
        """The least difference of two layouts' times that this noise can tell, as a part of the time."""
        return max(self.ratio_high / self.ratio, self.ratio / self.ratio_low) - 1

    def in_words(self) -> str:
        """The test in a sentence or two."""
        apart = self.ratio_low > 1 or self.ratio_high < 1
        verdict = "WRONGLY told apart" if apart else "not told apart, as it must be"
        busy = " Other work kept the machine busy meanwhile." if self.busy else ""
        return (
            f"noise: two copies of one model have the ratio {self.ratio:.4f} "
            f"[{self.ratio_low:.4f}, {self.ratio_high:.4f}] over {self.processes} processes, {verdict}. "
            f"A time alone is known to {self.latency_spread:.1%}; differences of two layouts below "
            f"{self.resolvable:.1%} are not resolved here with {self.processes} processes.{busy}"
        )


def noise(study: Study, executor: Executor) -> Noise:
    """Time the study's first two layouts, which are one model under two names, under its first condition.

    Raises `AblateError` when they cannot be timed.
    """
    entry = measurement("throughput")
    scope = Scope(study.input, tuple(study.layouts), study.baseline)
    condition = next(iter(entry.conditions(settings_of(study.measure)["throughput"], scope)))
    first, second = list(study.layouts)[:2]
    processes = entry.processes(condition)
    job = replace(
        study_job(study, entry.runner, (first, second)),
        kind=entry.name,
        condition=plain(condition),
        where="alone",
        baseline=first,
        cells={first: "first", second: "second"},
        processes=processes,
        gather=entry.gather,
    )
    ((_, outcome),) = executor.run([job])
    if outcome.values is None:
        raise AblateError(f"the noise could not be measured: {outcome.reason}")
    copies = [Outcome.from_json(outcome.values["outcomes"][name]) for name in (first, second)]
    for copy in copies:
        if copy.values is None:
            raise AblateError(f"the noise could not be measured: {copy.reason}")
    alone, other = (ThroughputValues.from_json(copy.values or {}) for copy in copies)
    assert alone.low_ms is not None
    assert alone.high_ms is not None
    assert other.ratio is not None
    assert other.ratio_low is not None
    assert other.ratio_high is not None
    spread = max(alone.high_ms - alone.latency_ms, alone.latency_ms - alone.low_ms) / alone.latency_ms
    return Noise(
        processes, alone.latency_ms, spread, other.ratio, other.ratio_low, other.ratio_high,
        alone.busy or other.busy,
    )  # fmt: skip
