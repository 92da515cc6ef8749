"""The types of a study file's own values: sizes, objectives, bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator

from ablate.layout.sizes import parse_quantity
from ablate.measurements.fields import Text
from ablate.study.goals import Constraint, Objective, parse_constraint, parse_objective

__all__ = ["Bytes", "ConstraintText", "ObjectiveText", "Size", "Text"]


def _size(memory: bool) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if not isinstance(value, str | int | float):
            raise ValueError("expected a size such as 3.4M")
        number = parse_quantity(value, memory=memory)
        if number <= 0:
            raise ValueError(f"expected more than 0, got {value}")
        return number

    return parse


_SIZE: Any = str | float
Size: TypeAlias = Annotated[float, PlainValidator(_size(False), json_schema_input_type=_SIZE)]
Bytes: TypeAlias = Annotated[float, PlainValidator(_size(True), json_schema_input_type=_SIZE)]
ObjectiveText: TypeAlias = Annotated[Objective, PlainValidator(parse_objective, json_schema_input_type=str)]
ConstraintText: TypeAlias = Annotated[
    Constraint, PlainValidator(parse_constraint, json_schema_input_type=str)
]
