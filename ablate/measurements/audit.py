"""`audit`: the same models through other counters, with their signed errors, and the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, StrictBool

from ablate.layout.settings import Model
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.complexity import Complexity
from ablate.measurements.fields import Pixels
from ablate.measurements.register import register
from ablate.measurements.values import Values

AuditMode = Literal["as-called", "repaired"]


class Audit(Model):
    """The same models through fvcore, ptflops and PyTorch's own counter."""

    resolution: Pixels | None = Field(
        default=None, description="Side of the square input in pixels; default: the input's resolution."
    )
    training: StrictBool = Field(default=True, description="Also one training step.")


class AuditCondition(Model):
    """One pass in one mode: `as-called` is as users call the tools, `repaired` has their missing rules."""

    resolution: Pixels
    mode: AuditMode
    training: bool


@dataclass(frozen=True)
class ToolRow:
    """One tool beside the count. All figures are MACs; errors are signed, tool minus count."""

    tool: str
    version: str | None = None
    unit: str | None = None
    status: str = ""
    macs: int | None = None
    error: int | None = None
    error_percent: float | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    unexplained: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PublishedRow:
    """A published figure beside the count; errors are the count's distance from the figure, signed."""

    model: str
    resolution: int
    published_params_m: float
    params: int
    params_agree: bool
    published_gmacs: float
    macs: int
    error_percent: float
    reason: str
    reproduced_macs: int | None = None
    explanation: str = ""
    source: str = ""


@dataclass(frozen=True)
class AuditValues(Values):
    """What the tools say about one model, the count's own row first."""

    macs: int
    rows: tuple[ToolRow, ...] = ()
    published: tuple[PublishedRow, ...] = ()
    agrees: bool = True
    mismatches: tuple[str, ...] = ()


def _complete(settings: Audit | None, others: Mapping[str, Model]) -> Audit | None:
    """`complexity: {audit: true}` asks for it too."""
    counted = others.get("complexity")
    if settings is None and isinstance(counted, Complexity) and counted.audit:
        return Audit()
    return settings


def _conditions(settings: Audit, scope: Scope) -> Iterator[AuditCondition]:
    modes: tuple[AuditMode, ...] = ("as-called", "repaired")
    for training in (False, True)[: 1 + settings.training]:
        for mode in modes:
            resolution = settings.resolution or scope.input.resolution
            yield AuditCondition(resolution=resolution, mode=mode, training=training)


AUDIT = register(
    Measurement(
        name="audit",
        title="audit of the count",
        description="The same models through fvcore, ptflops and PyTorch's own counter.",
        settings=Audit,
        condition=AuditCondition,
        values=AuditValues,
        quantities=(),
        runner="ablate.runners.audit:run",
        where="pool",
        conditions=_conditions,
        packages=("fvcore", "ptflops"),
        complete=_complete,
    )
)
