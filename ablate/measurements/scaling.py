"""`scaling`: how the counted costs grow with the resolution, and where a layout crosses the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field

from ablate.layout.settings import Count, Model
from ablate.measurements.base import Measurement, Requirement, Scope
from ablate.measurements.complexity import Complexity
from ablate.measurements.fields import AT, Device, Pixels, Resolutions
from ablate.measurements.register import register
from ablate.measurements.throughput import Throughput
from ablate.measurements.values import Values
from ablate.quantities import Quantity

PEAK = "machine_peak"


class Scaling(Model):
    """How costs grow over the resolutions: exact curves, local exponents, roofline time, crossovers."""

    resolutions: Resolutions = Field(default=(), description=AT, min_length=2)
    timed_resolutions: tuple[Pixels, ...] = Field(
        default=(), description="Resolutions whose roofline time stands beside a measured one."
    )
    timed_batch: Count = Field(default=1, description="Batch of the roofline time.")
    device: Device = Field(default="auto", description="Whose peak the roofline takes.")
    threads: Count = Field(default=1, description="Threads of the peak.")


class ScalingCondition(Scaling):
    """All settings are the condition: a layout has one cell."""


@dataclass(frozen=True)
class Peak:
    """A machine's measured peak, which roofline times are worked out with."""

    macs_per_second: float
    bytes_per_second: float
    device: str
    threads: int
    name: str = ""
    load_average: float | None = None


@dataclass(frozen=True)
class OctaveExponent:
    """The local exponent in N over one octave of the resolution, from `start` to `end` pixels."""

    start: int
    end: int
    exponent: float


@dataclass(frozen=True)
class GrowthCurve:
    """One quantity over the resolutions; None where the layout cannot be counted."""

    values: tuple[float | None, ...]
    exponents: tuple[OctaveExponent, ...] = ()


@dataclass(frozen=True)
class CountedCrossing:
    """From which resolution `a` needs less than `b` of a quantity."""

    quantity: str
    a: str
    b: str
    less: bool
    resolution: float | None
    value: float | None
    method: str
    note: str


@dataclass(frozen=True)
class TimedRoofline:
    """Least times in ms of one batch at the resolutions that are timed."""

    batch: int
    resolutions: tuple[int, ...] = ()
    roofline_ms: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class ScalingValues(Values):
    """Curves of one image by quantity, and both directions of every crossover with the baseline."""

    baseline: str
    peak: Peak
    resolutions: tuple[int, ...]
    curves: dict[str, GrowthCurve] = field(default_factory=dict)
    crossovers: tuple[CountedCrossing, ...] = ()
    timed: TimedRoofline = TimedRoofline(1)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ScalingValues:
        """The inverse of `to_json`; also reads rows whose exponents say `from` and `to`."""
        curves = data.get("curves")
        if isinstance(curves, dict):
            data = dict(data) | {"curves": {name: _curve(curve) for name, curve in curves.items()}}
        return super().from_json(data)


def _curve(curve: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    exponents = [
        {"start": e.get("start", e.get("from")), "end": e.get("end", e.get("to")), "exponent": e["exponent"]}
        for e in curve.get("exponents", [])
    ]
    return {"values": curve["values"], "exponents": exponents}


def _complete(settings: Scaling | None, others: Mapping[str, Model]) -> Scaling | None:
    """`complexity: {scaling: true}` asks for it too; what `throughput` times gets its roofline."""
    counted, timed = others.get("complexity"), others.get("throughput")
    if settings is None and isinstance(counted, Complexity) and counted.scaling:
        settings = Scaling(resolutions=counted.resolutions)
    if settings is None or not isinstance(timed, Throughput) or settings.timed_resolutions:
        return settings
    return settings.model_copy(
        update={
            "timed_resolutions": timed.resolutions,
            "timed_batch": timed.batch if isinstance(timed.batch, int) else 1,
            "device": timed.device,
            "threads": timed.threads,
        }
    )


def _conditions(settings: Scaling, scope: Scope) -> Iterator[ScalingCondition]:
    yield ScalingCondition(**{name: getattr(settings, name) for name in Scaling.model_fields})


def _roofline(values: ScalingValues) -> float | None:
    return next(iter(values.timed.roofline_ms), None)


QUANTITIES = (
    Quantity(
        "roofline_ms", "Roofline time", "ms",
        "The least time that the machine's measured peak allows for one batch at the first timed resolution: "
        " the sum over parts of max(MACs / peak arithmetic, bytes / peak bandwidth).",
        _roofline, stored="ms", listed=False,
    ),
)  # fmt: skip


def _key(condition: ScalingCondition) -> str:
    return f"{condition.device}, threads={condition.threads}"


SCALING = register(
    Measurement(
        name="scaling",
        title="growth with the resolution",
        description="How costs grow over the resolutions, and crossovers with the baseline.",
        settings=Scaling,
        condition=ScalingCondition,
        values=ScalingValues,
        quantities=QUANTITIES,
        runner="ablate.runners.scaling:run",
        where="pool",
        conditions=_conditions,
        against_baseline=True,
        requires=(Requirement(PEAK, "ablate.runners.peak:run", _key, lambda condition: condition.threads),),
        complete=_complete,
    )
)
