"""The models of a study file, with what every key means, and `Study`, which is what a file comes to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StrictStr, model_validator

from ablate.layout.layout import Layout
from ablate.layout.settings import Count, Defaults, Depth, Model
from ablate.measurements.fields import Input, distinct
from ablate.study.fields import Bytes, ConstraintText, ObjectiveText, Size, Text
from ablate.study.measure import measure_model

__all__ = ["Input", "Match", "ReportOptions", "Search", "Space", "Study", "StudyFile"]


class Match(Model):
    """Make all layouts equal in one quantity by changing one dimension of each."""

    params: Size | None = Field(default=None, description="Parameters, as 13.1M.")
    macs: Size | None = Field(default=None, description="MACs at the input's resolution, as 0.6G.")
    memory: Bytes | None = Field(
        default=None, description="Peak memory of one inference in bytes, as 512MiB."
    )
    tolerance: Size = Field(default=0.01, description="Largest relative difference that is accepted, as 1%.")
    by: Literal["width", "depth", "expansion"] = Field(
        default="width", description="The dimension that is changed."
    )

    @model_validator(mode="after")
    def _one_quantity(self) -> Match:
        given = [name for name in ("params", "macs", "memory") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"match one quantity, not {' and '.join(given)}")
        if not given:
            raise ValueError("match needs one of params, macs, memory")
        if self.tolerance >= 1:
            raise ValueError(f"the tolerance must be below 100%, got {self.tolerance:.0%}")
        return self

    @property
    def quantity(self) -> Literal["params", "macs", "memory"]:
        """The quantity that is matched."""
        return "params" if self.params is not None else "macs" if self.macs is not None else "memory"

    @property
    def target(self) -> float:
        """The budget, in the quantity's unit."""
        return float(getattr(self, self.quantity))


class ReportOptions(Model):
    """How results are shown."""

    baseline: StrictStr | None = Field(default=None, description="The layout that others are compared to.")
    columns: tuple[StrictStr, ...] = Field(
        default=(), description="Columns of the main table, in this order: [params, macs, latency, accuracy]."
    )
    names: dict[StrictStr, StrictStr] = Field(
        default={}, description="What columns are called: {params: Size (M)}."
    )


def _range(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the range {value[0]} to {value[1]} is empty")
    return value


class Space(Model):
    """What a search may choose, stage by stage; what is left out stays as in the defaults."""

    depths: tuple[Annotated[tuple[Depth, Depth], AfterValidator(_range)], ...] | None = Field(
        default=None, min_length=1, description="Least and greatest depth of each stage: [[1, 3], [1, 4]]."
    )
    widths: tuple[Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(distinct)], ...] | None = (
        Field(default=None, min_length=1, description="Choices of each stage's width: [[32, 48], [64, 96]].")
    )
    patterns: (
        Annotated[
            tuple[tuple[Text, ...], ...],
            BeforeValidator(
                lambda value: [value] if _flat(value) else value,
                json_schema_input_type=list[str] | list[list[str]],
            ),
        ]
        | None
    ) = Field(
        default=None,
        min_length=1,
        description="Choices of a stage's pattern: one list for all stages, or one each.",
    )


def _flat(value: Any) -> bool:
    return isinstance(value, list | tuple) and not any(isinstance(item, list | tuple) for item in value)


class Search(Model):
    """A search over layouts: objectives, hard constraints, and the space."""

    objectives: tuple[ObjectiveText, ...] = Field(
        min_length=1, description="One or more of: minimize or maximize a metric."
    )
    constraints: tuple[ConstraintText, ...] = Field(
        default=(), description="Bounds that hold for every result: params <= 3.4M."
    )
    space: Space = Field(description="What may be chosen.")
    trials: Count = Field(default=50, description="Layouts to try.")
    batch: Count = Field(
        default=4, description="Layouts proposed at a time, which are then trained side by side."
    )
    seed: Annotated[int, Strict(), Field(ge=0)] = Field(default=0, description="Seed of the sampler.")
    sampler: Literal["tpe", "random", "nsga2"] = Field(default="tpe", description="Optuna's sampler.")

    @model_validator(mode="after")
    def _metrics_once(self) -> Search:
        distinct(tuple(objective.metric for objective in self.objectives))
        return self


def _file_name(text: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", text):
        raise ValueError(f"a study's name is made of letters, digits, '_', '-' and '.', got {text!r}")
    return text


StudyName: TypeAlias = Annotated[StrictStr, AfterValidator(_file_name)]


class StudyFile(Model):
    """A study: layouts and what is measured of them."""

    study: StudyName | None = Field(default=None, description="The study's name; default: the file's.")
    input: Input = Field(default=Input(), description="The images.")
    defaults: Defaults = Field(default=Defaults(), description="Settings of every layout of this file.")
    vary: dict[str, Any] = Field(
        default={}, description="Lists of values; each layout that says $name is made once per value."
    )
    layouts: dict[str, Any] = Field(default={}, description="The layouts, by name.")
    match: Match | None = Field(default=None, description="Make the layouts equal in one quantity.")
    measure: dict[str, Any] = Field(default={}, description="What is measured.")
    report: ReportOptions = Field(default=ReportOptions(), description="How results are shown.")
    search: Search | None = Field(default=None, description="A search over layouts, run by `ablate search`.")
    extensions: tuple[Text, ...] = Field(
        default=(),
        description="Your own Python files with blocks, measurements, data sets, tables or executors, "
        "relative to this file. They are run.",
    )
    blocks: tuple[Text, ...] = Field(default=(), description="Another word for `extensions`.")


@dataclass(frozen=True)
class Study:
    """A validated study: every layout resolved, every option typed."""

    name: str
    layouts: dict[str, Layout]
    input: Input = field(default_factory=Input)
    defaults: Defaults = field(default_factory=Defaults)
    match: Match | None = None
    measure: Any = field(default_factory=lambda: measure_model()())  # of `ablate.study.measure.measure_model`
    report: ReportOptions = field(default_factory=ReportOptions)
    search: Search | None = None
    extensions: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    path: Path | None = None
    text: str = ""

    @property
    def baseline(self) -> str:
        """The layout that the others are compared to: the report's, else the first one."""
        return self.report.baseline or next(iter(self.layouts), "")
