"""The `search` section of a study file: objectives, bounds, the space, rungs, and how the search ends."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict, model_validator

from ablate.layout.settings import Count, Model, Ratios
from ablate.layout.sizes import parse_quantity
from ablate.measurements.fields import distinct
from ablate.study.fields import ConstraintText, ObjectiveText, Text

MOST_CHOICES = 1000
_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)(?:\s+step\s+(\d+))?\s*")
_RANGE_SCHEMA = r"^\s*\d+\s*\.\.\s*\d+(\s+step\s+\d+)?\s*$"
_RangeText: TypeAlias = Annotated[str, Field(pattern=_RANGE_SCHEMA)]

Numbers: TypeAlias = tuple[int, ...]
Plain: TypeAlias = int | float | bool | str | None


def parse_range(text: str) -> Numbers:
    """`1..3` or `32..128 step 32`, both ends among them where the step meets them. Raises `ValueError`."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a range such as '1..3' or '32..128 step 32', got {text!r}")
    low, high, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if low > high:
        raise ValueError(f"the range {low} to {high} is empty")
    if step == 0:
        raise ValueError("a range's step is 1 at least")
    if (high - low) // step >= MOST_CHOICES:
        raise ValueError(
            f"the range has more than {MOST_CHOICES} values; give a step: '{low}..{high} step 32'"
        )
    return tuple(range(low, high + 1, step))


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"expected {'at least 1' if value < 1 else f'at most {most}'}, got {value}")
    return value


def _depths(value: Any) -> Numbers:
    """The depths a stage can have: a number, `[least, greatest]`, or a range."""
    if isinstance(value, str):
        return tuple(_whole(depth, 1000) for depth in parse_range(value))
    if isinstance(value, int):
        return (_whole(value, 1000),)
    if not isinstance(value, list | tuple):
        raise ValueError("expected [least, greatest] or a range such as '1..6 step 2'")
    if len(value) != 2:
        raise ValueError(
            f"expected two numbers, the least and the greatest depth, got {len(value)}; "
            "a step is written as '1..6 step 2'"
        )
    low, high = (_whole(end, 1000) for end in value)
    return parse_range(f"{low}..{high}")


def _widths(value: Any) -> Numbers:
    """The widths a stage can have: a number, a list of choices, or a range."""
    if isinstance(value, str):
        value = parse_range(value)
    elif isinstance(value, int):
        value = (value,)
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a list of widths or a range such as '32..128 step 32'")
    return tuple(distinct(tuple(_whole(width, 65536) for width in value)))


def _values(value: Any) -> tuple[Plain, ...]:
    """The values an argument can have: a list, or a range."""
    if isinstance(value, str):
        return parse_range(value)
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a list of values or a range such as '3..7 step 2'")
    for item in value:
        if item is not None and not isinstance(item, int | float | bool | str):
            raise ValueError("expected plain values: numbers, words, true, false")
    if len({(type(item), item) for item in value}) < len(value):
        raise ValueError("a value is given twice")
    return tuple(value)


_StageDepths: TypeAlias = Annotated[
    Numbers, PlainValidator(_depths, json_schema_input_type=int | tuple[int, int] | _RangeText)
]
_StageWidths: TypeAlias = Annotated[
    Numbers, PlainValidator(_widths, json_schema_input_type=int | list[int] | _RangeText)
]
_Values: TypeAlias = Annotated[
    tuple[Plain, ...], PlainValidator(_values, json_schema_input_type=list[Plain] | _RangeText)
]
_Calls: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(distinct)]


def _flat(value: Any) -> bool:
    return isinstance(value, list | tuple) and not any(isinstance(item, list | tuple) for item in value)


_Patterns: TypeAlias = Annotated[
    tuple[tuple[Text, ...], ...],
    BeforeValidator(
        lambda value: [value] if _flat(value) else value, json_schema_input_type=list[str] | list[list[str]]
    ),
]


class Space(Model):
    """What a search may choose; what is left out stays as in the defaults.

    Depths, widths and patterns are chosen for every stage by itself, the rest once for the whole layout.
    """

    depths: tuple[_StageDepths, ...] | None = Field(
        default=None,
        min_length=1,
        description="Depths of each stage: a number, [least, greatest] or a range: [2, [1, 3], 2..8 step 2].",
    )
    widths: tuple[_StageWidths, ...] | None = Field(
        default=None,
        min_length=1,
        description="Widths of each stage: a number, choices, or a range: [32, [48, 64], 96..192 step 32].",
    )
    patterns: _Patterns | None = Field(
        default=None,
        min_length=1,
        description="Choices of a stage's pattern: one list for all stages, or one each.",
    )
    arguments: dict[str, dict[str, _Values]] = Field(
        default={},
        description="Choices of arguments, by block, or by stem, downsample, ffn, norm: "
        "{conv: {expand: [1, 2]}, ffn: {kernel: 3..7 step 2}}. What a pattern writes itself stays.",
    )
    stem: _Calls | None = Field(default=None, description="Choices of the stem.")
    downsample: _Calls | None = Field(default=None, description="Choices of the part before later stages.")
    ffn: _Calls | None = Field(default=None, description="Choices of the FFN.")
    norm: _Calls | None = Field(default=None, description="Choices of the norm.")
    mlp_ratio: Annotated[tuple[Ratios, ...], Field(min_length=1)] | None = Field(
        default=None, description="Choices of mlp_ratio, each as a layout takes it: [2, 4, [8, 8, 4, 4]]."
    )
    head_dim: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(distinct)] | None = Field(
        default=None, description="Choices of head_dim."
    )


def _images(value: Any) -> int:
    number = parse_quantity(value) if isinstance(value, str | int | float) else 0
    if number < 1 or number != int(number):
        raise ValueError(f"expected a number of images such as 1500 or 6k, got {value!r}")
    return int(number)


_Images: TypeAlias = Annotated[int, PlainValidator(_images, json_schema_input_type=str | int)]


class Rungs(Model):
    """Successive halving: trials are stopped on the way unless they are among the best."""

    images: Annotated[tuple[_Images, ...], Field(min_length=1)] = Field(
        description="Training images after which trials are compared, ascending; then the whole schedule."
    )
    factor: Annotated[float, Field(gt=1, le=100)] = Field(
        default=3.0, description="One trial in so many goes on to the next rung."
    )

    @model_validator(mode="after")
    def _ascending(self) -> Rungs:
        if list(self.images) != sorted(set(self.images)):
            raise ValueError("the rungs' images must ascend")
        return self


class Final(Model):
    """The end of a search: the best layouts are trained again, beside random ones of the same budget."""

    layouts: Annotated[Count, Field(ge=2, le=100)] = Field(
        default=4, description="How many of the best layouts, and as many random ones."
    )
    seeds: Annotated[Count, Field(le=1000)] = Field(
        default=3, description="Seeds that the search has not used, of each of them."
    )


SamplerName = Literal["tpe", "nsga2", "nsga3", "random", "qmc", "gp", "cmaes"]


class Search(Model):
    """A search over layouts: objectives, hard constraints, and the space."""

    objectives: tuple[ObjectiveText, ...] = Field(
        min_length=1, description="One or more of: minimize or maximize a quantity."
    )
    constraints: tuple[ConstraintText, ...] = Field(
        default=(), description="Bounds that hold for every result: params <= 3.4M."
    )
    space: Space = Field(description="What may be chosen.")
    trials: Count = Field(
        default=50, description="Layouts to try; what is beyond an exact bound, or known, is none."
    )
    batch: Count = Field(
        default=4, description="Layouts proposed at a time, which are then trained side by side."
    )
    seed: Annotated[int, Strict(), Field(ge=0)] = Field(default=0, description="Seed of the sampler.")
    sampler: SamplerName = Field(
        default="tpe", description="Optuna's sampler: multivariate TPE, NSGA-II, NSGA-III, random, ..."
    )
    rungs: Rungs | None = Field(default=None, description="Stop poor trials early, by successive halving.")
    final: Final | None = Field(
        default=None, description="Train the best again with new seeds, beside random layouts."
    )
    storage: Text | None = Field(
        default=None,
        description="Any storage URL of Optuna, as postgresql://host/db; default: a file beside the results.",
    )

    @model_validator(mode="after")
    def _metrics_once(self) -> Search:
        distinct(tuple(objective.metric for objective in self.objectives))
        return self
