"""The types of a study file's values: sizes, lists that may be one value, objectives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict, StrictStr

from ablate.errors import did_you_mean
from ablate.layout.sizes import parse_quantity
from ablate.study.goals import Constraint, Objective, parse_constraint, parse_objective


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, each of which must be there once."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{value} is given twice")
    return values


def _size(memory: bool) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if not isinstance(value, str | int | float):
            raise ValueError("expected a size such as 3.4M")
        number = parse_quantity(value, memory=memory)
        if number <= 0:
            raise ValueError(f"expected more than 0, got {value}")
        return number

    return parse


DATASETS = ("digits", "fashion-mnist", "cifar10", "cifar100")
FOLDER = "folder:"
"""What the path of an image folder begins with, unless it has a slash."""


def known_dataset(name: str) -> str:
    """The name of a set of images as it is given. Raises `ValueError` when it is no set's and no path."""
    if name not in DATASETS and not name.startswith(FOLDER) and "/" not in name:
        raise ValueError(f"unknown dataset {name!r}{did_you_mean(name, (*DATASETS, FOLDER + 'PATH'))}")
    return name


def _known_device(name: str) -> str:
    """Whether the device is on this machine is known only where it is used."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError(f"unknown device {name!r}; known: auto, cpu, cuda, cuda:N, mps")
    return name


Text: TypeAlias = Annotated[StrictStr, Field(min_length=1)]
DatasetName: TypeAlias = Annotated[StrictStr, AfterValidator(known_dataset)]
Device: TypeAlias = Annotated[StrictStr, AfterValidator(_known_device)]
_SIZE: Any = str | float
Size: TypeAlias = Annotated[float, PlainValidator(_size(False), json_schema_input_type=_SIZE)]
Bytes: TypeAlias = Annotated[float, PlainValidator(_size(True), json_schema_input_type=_SIZE)]

Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=65536)]
Mode: TypeAlias = Literal["inference", "training"]
Precision: TypeAlias = Literal["fp32", "bf16"]
Resolutions: TypeAlias = Annotated[
    tuple[Pixels, ...],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(_as_list, json_schema_input_type=Pixels | tuple[Pixels, ...]),
]
Modes: TypeAlias = Annotated[
    tuple[Mode, ...],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(_as_list, json_schema_input_type=Mode | tuple[Mode, ...]),
]
Precisions: TypeAlias = Annotated[
    tuple[Precision, ...],
    Field(min_length=1),
    AfterValidator(distinct),
    BeforeValidator(_as_list, json_schema_input_type=Precision | tuple[Precision, ...]),
]
ObjectiveText: TypeAlias = Annotated[Objective, PlainValidator(parse_objective, json_schema_input_type=str)]
ConstraintText: TypeAlias = Annotated[
    Constraint, PlainValidator(parse_constraint, json_schema_input_type=str)
]
