"""`throughput`: latency and images per second of layouts that are timed against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, StrictBool, model_validator

from ablate.layout.settings import Count, Model, Positive
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import AT, Device, Mode, Modes, Pixels, Precision, Precisions, Resolutions
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity

_PRESETS: dict[Any, dict[str, Any]] = {
    "quick": {"processes": 3, "rounds": 2},
    "paper": {"processes": 7, "rounds": 5, "seconds": 2.0},
}


class ThroughputProtocol(Model):
    """How latency is measured; the same for every condition of a study."""

    preset: Literal["quick", "usual", "paper"] = Field(
        default="usual", description="quick: 3 processes, 2 rounds; paper: 7 processes, 5 rounds, 2 seconds."
    )
    batch: Count | Literal["largest"] = Field(
        default=32,
        description="Images in a batch; largest: the largest power of two that all layouts can take.",
    )
    processes: Count = Field(
        default=5, description="Fresh worker processes; the error bar is the spread between them."
    )
    rounds: Count = Field(
        default=3, description="Rounds of interleaved measurements in each process, at least."
    )
    seconds: Positive = Field(
        default=1.0, description="Seconds of measuring for each layout and process, at least."
    )
    threads: Count = Field(default=1, description="Threads of each worker.")
    deploy: StrictBool = Field(
        default=False, description="Time the folded form for inference: norms and branches folded."
    )
    compile: StrictBool = Field(default=False, description="Measure under torch.compile.")
    channels_last: StrictBool = Field(default=True, description="Tensors in channels-last memory format.")
    warmup: Annotated[int, Strict(), Field(ge=0, le=10000)] = Field(
        default=5, description="Calls before anything is timed; one at least is made."
    )
    block: Count = Field(default=8, description="Calls of one layout in a row.")
    dropped: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=2, description="Of them, calls at the block's start that are not counted."
    )
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        """What a preset says, where the file does not say otherwise."""
        return _PRESETS.get(given.get("preset"), {}) | given if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _some_calls_count(self) -> Self:
        if self.dropped >= self.block:
            raise ValueError(f"cannot drop {self.dropped} calls of a block of {self.block}")
        return self


class Throughput(ThroughputProtocol):
    """Measured latency and images per second."""

    resolutions: Resolutions = Field(default=(), description=AT)
    precision: Precisions = Field(default=("fp32",), description="fp32, bf16 autocast, or both.")
    modes: Modes = Field(default=("inference",), description="Inference, one training step, or both.")


class ThroughputCondition(ThroughputProtocol):
    """What is timed. One sample is one call on a batch of `batch` images.

    `mode` is `inference` (evaluation mode, no gradients) or `training` (one step: forward, cross-entropy,
    backward, AdamW). Measuring stops when both `rounds` rounds and `seconds` seconds for each layout are
    done.
    """

    resolution: Pixels
    mode: Mode = "inference"
    precision: Precision = "fp32"


@dataclass(frozen=True)
class ThroughputValues(Values):
    """Latency of one layout over processes, and its ratio to the baseline's; times in milliseconds a batch.

    The figures are medians over processes of medians within them; `low` and `high` bound the 95 % interval
    between processes, `None` when there was only one. `ratio` is this layout's latency over the baseline's
    (below 1 is faster), within rounds. `tie`: the ratio's interval holds 1; `None` when there is no
    interval. `note` says in words what a reader must know.
    """

    latency_ms: float
    low_ms: float | None
    high_ms: float | None
    images_per_s: float
    process_ms: tuple[float, ...] = ()
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    ratio_to: str = ""
    tie: bool | None = None
    busy: bool = False  # more wanted the cores than this measurement did
    load_average: float | None = None
    others: float | None = None  # cores that other processes kept busy meanwhile, in the worst process
    note: str = ""
    samples: tuple[tuple[tuple[float, ...], ...], ...] = ()  # seconds, [process][round][call]
    process_ratios: tuple[float, ...] = ()  # to the baseline, one a process
    batch: int | None = None  # images in the batch that was timed


def _conditions(settings: Throughput, scope: Scope) -> Iterator[ThroughputCondition]:
    shared = {name: getattr(settings, name) for name in ThroughputProtocol.model_fields}
    for resolution in settings.resolutions or (scope.input.resolution,):
        for mode in settings.modes:
            for precision in settings.precision:
                yield ThroughputCondition(resolution=resolution, mode=mode, precision=precision, **shared)


def _work(condition: ThroughputCondition) -> float:
    calls = condition.processes * (condition.warmup + condition.rounds * condition.block)
    return float(calls * condition.batch * (3 if condition.mode == "training" else 1))


def _warnings(settings: Throughput) -> Iterator[tuple[tuple[str, ...], str]]:
    if settings.processes < 2:
        yield ("processes",), "one process gives no error bar; use 3 or more"


QUANTITIES = (
    Quantity(
        "latency", "Latency", "ms",
        "Time of one call on one batch: median over calls, then over fresh processes, with interleaved "
        "layouts. The error is half the 95 % interval between processes, the wider side of it.",
        "latency_ms", column="latency_ms", stored="ms", low="low_ms", high="high_ms",
    ),
    Quantity(
        "latency_low", "Latency, low", "ms", "Lower end of the 95 % interval of the latency.", "low_ms",
        column="latency_low_ms",
    ),
    Quantity(
        "latency_high", "Latency, high", "ms", "Upper end of the 95 % interval of the latency.", "high_ms",
        column="latency_high_ms",
    ),
    Quantity(
        "throughput", "Throughput", "images/s", "Batch size divided by latency.", "images_per_s",
        column="images_per_second", better="higher", aliases=("speed",),
    ),
    Quantity(
        "latency_ratio", "Latency / baseline", "",
        "Latency divided by the baseline's, taken within rounds of the same process, so that drift cancels.",
        "ratio", column="latency_ratio", low="ratio_low", high="ratio_high", aliases=("ratio",),
    ),
    Quantity(
        "ratio_low", "Ratio, low", "", "Lower end of the 95 % interval of the ratio.", "ratio_low",
        column="latency_ratio_low",
    ),
    Quantity(
        "ratio_high", "Ratio, high", "", "Upper end of the 95 % interval of the ratio.", "ratio_high",
        column="latency_ratio_high",
    ),
)  # fmt: skip

THROUGHPUT = register(
    Measurement(
        name="throughput",
        title="latency and throughput",
        description="Latency and images per second.",
        settings=Throughput,
        condition=ThroughputCondition,
        values=ThroughputValues,
        quantities=QUANTITIES,
        runner="ablate.runners.throughput:run",
        where="alone",
        conditions=_conditions,
        against_baseline=True,
        together=True,
        processes=lambda condition: condition.processes,
        work=_work,
        gather="ablate.runners.latency:gather",
        warnings=_warnings,
    )
)
