"""The types of the settings of measurements: resolutions, modes, precisions, devices."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StrictStr

from ablate.layout.settings import Count, Model

MOST_PIXELS = 16384
MOST_RESOLUTIONS = 256


class Input(Model):
    """The images that layouts are built for."""

    resolution: Pixels = Field(default=224, description="Side of the square input in pixels.")
    channels: Annotated[Count, Field(le=4096)] = Field(default=3, description="Channels of an image.")
    classes: Count = Field(default=1000, description="Classes of the head that is counted.")


def as_list(value: Any) -> Any:
    """One value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, each of which must be there once."""
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value} is given twice")
        seen.add(value)
    return values


def _known_device(name: str) -> str:
    """Whether the device is on this machine is known only where it is used."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError(f"unknown device {name!r}; known: auto, cpu, cuda, cuda:N, mps")
    return name


Text: TypeAlias = Annotated[StrictStr, Field(min_length=1)]
Device: TypeAlias = Annotated[StrictStr, AfterValidator(_known_device)]

Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=MOST_PIXELS)]
Mode: TypeAlias = Literal["inference", "training"]
Precision: TypeAlias = Literal["fp32", "bf16"]
Kernel: TypeAlias = Literal["fused", "math"]
Resolutions: TypeAlias = Annotated[
    tuple[Pixels, ...],
    Field(min_length=1, max_length=MOST_RESOLUTIONS),
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=Pixels | tuple[Pixels, ...]),
]
Modes: TypeAlias = Annotated[
    tuple[Mode, ...],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=Mode | tuple[Mode, ...]),
]
Precisions: TypeAlias = Annotated[
    tuple[Precision, ...],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(as_list, json_schema_input_type=Precision | tuple[Precision, ...]),
]
AT = "Sides of the square input in pixels; default: the input's resolution."

Input.model_rebuild()
