"""The models of a study file, with what every key means, and `Study`, which is what a file comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    Strict,
    StrictBool,
    StrictStr,
    model_validator,
)

from ablate.layout.goals import Constraint, Objective, parse_constraint, parse_objective
from ablate.layout.layout import Layout
from ablate.layout.quantity import parse_quantity
from ablate.layout.settings import Count, Defaults, Depth, Model, Positive


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
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


_Text: TypeAlias = Annotated[StrictStr, Field(min_length=1)]
_SIZE: Any = str | float
Size: TypeAlias = Annotated[float, PlainValidator(_size(False), json_schema_input_type=_SIZE)]
Bytes: TypeAlias = Annotated[float, PlainValidator(_size(True), json_schema_input_type=_SIZE)]

_Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=65536)]
_Mode: TypeAlias = Literal["inference", "training"]
_Precision: TypeAlias = Literal["fp32", "bf16"]
Resolutions: TypeAlias = Annotated[
    tuple[_Pixels, ...],
    Field(min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_as_list, json_schema_input_type=_Pixels | tuple[_Pixels, ...]),
]
Modes: TypeAlias = Annotated[
    tuple[_Mode, ...],
    Field(min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_as_list, json_schema_input_type=_Mode | tuple[_Mode, ...]),
]
Precisions: TypeAlias = Annotated[
    tuple[_Precision, ...],
    Field(min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_as_list, json_schema_input_type=_Precision | tuple[_Precision, ...]),
]
_Objective: TypeAlias = Annotated[Objective, PlainValidator(parse_objective, json_schema_input_type=str)]
_Constraint: TypeAlias = Annotated[Constraint, PlainValidator(parse_constraint, json_schema_input_type=str)]

_AT = "Sides of the square input in pixels; default: the input's resolution."


class Input(Model):
    """The images that layouts are built for."""

    resolution: _Pixels = Field(default=224, description="Side of the square input in pixels.")
    channels: Count = Field(default=3, description="Channels of an image.")
    classes: Count = Field(default=1000, description="Classes of the head that is counted.")


class Complexity(Model):
    """Counted parameters, MACs, FLOPs and activations."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    audit: StrictBool = Field(
        default=False, description="Also count with fvcore, ptflops and PyTorch's own counter."
    )


class Memory(Model):
    """Predicted memory by kind, and measured memory beside it."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    modes: Modes = Field(
        default=("inference", "training"), description="Inference, one training step, or both."
    )
    batch: Count = Field(default=1, description="Images in a batch.")
    measured_up_to: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=512, description="Also measure the peak on the device, up to this resolution; 0: never."
    )
    device: _Text = Field(default="auto", description="Where the peak is measured: cpu, cuda, cuda:1, auto.")


class Throughput(Model):
    """Measured latency and images per second."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    batch: Count = Field(default=32, description="Images in a batch.")
    precision: Precisions = Field(default=("fp32",), description="fp32, bf16 autocast, or both.")
    modes: Modes = Field(default=("inference",), description="Inference, one training step, or both.")
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
    compile: StrictBool = Field(default=False, description="Measure under torch.compile.")
    device: _Text = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")


class Accuracy(Model):
    """Top-1 accuracy after a short schedule, over several seeds."""

    dataset: _Text = Field(
        description="digits, fashion-mnist, cifar10, cifar100, or the path of an image folder."
    )
    epochs: Positive = Field(
        default=5.0, description="Passes over the training images; fractions are allowed."
    )
    seeds: Count = Field(default=3, description="Number of repetitions, with seeds 0, 1, 2, ...")
    recipe: Literal["short", "adamw"] = Field(
        default="short", description="short: Muon and AdamW; adamw: the usual one."
    )
    batch: Count = Field(default=128, description="Images in a batch.")
    lr: Positive | None = Field(default=None, description="Peak learning rate; default: the recipe's.")
    resolution: _Pixels | None = Field(
        default=None, description="Training resolution; default: the dataset's."
    )
    precision: _Precision = Field(default="bf16", description="bf16 autocast or fp32.")
    augment: StrictBool | None = Field(
        default=None, description="Augment; default: when the budget is large enough."
    )
    subset: Count | None = Field(default=None, description="Use only so many training images.")
    data_dir: _Text | None = Field(default=None, description="Where the dataset's files are.")
    device: _Text = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")


class Measure(Model):
    """What is measured; a measurement that is left out is not made."""

    complexity: Complexity | None = Field(default=None, description="Parameters, MACs, FLOPs.")
    memory: Memory | None = Field(default=None, description="Bytes, by kind.")
    throughput: Throughput | None = Field(default=None, description="Latency and images per second.")
    accuracy: Accuracy | None = Field(default=None, description="Top-1 accuracy after a short schedule.")


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


def _range(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"the range {value[0]} to {value[1]} is empty")
    return value


class Space(Model):
    """What a search may choose, stage by stage; what is left out stays as in the defaults."""

    depths: tuple[Annotated[tuple[Depth, Depth], AfterValidator(_range)], ...] | None = Field(
        default=None, min_length=1, description="Least and greatest depth of each stage: [[1, 3], [1, 4]]."
    )
    widths: (
        tuple[Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_distinct)], ...] | None
    ) = Field(default=None, min_length=1, description="Choices of each stage's width: [[32, 48], [64, 96]].")
    patterns: (
        Annotated[
            tuple[tuple[_Text, ...], ...],
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
    return isinstance(value, list | tuple) and not any(isinstance(one, list | tuple) for one in value)


class Search(Model):
    """A search over layouts: objectives, hard constraints, and the space."""

    objectives: tuple[_Objective, ...] = Field(
        min_length=1, description="One or more of: minimize or maximize a metric."
    )
    constraints: tuple[_Constraint, ...] = Field(
        default=(), description="Bounds that hold for every result: params <= 3.4M."
    )
    space: Space = Field(description="What may be chosen.")
    trials: Count = Field(default=50, description="Layouts to try.")
    seed: Annotated[int, Strict(), Field(ge=0)] = Field(default=0, description="Seed of the sampler.")
    sampler: Literal["tpe", "random", "nsga2"] = Field(default="tpe", description="Optuna's sampler.")

    @model_validator(mode="after")
    def _metrics_once(self) -> Search:
        _distinct(tuple(objective.metric for objective in self.objectives))
        return self


VaryValue: TypeAlias = StrictStr | int | float | list[int | float | str]
StudyName: TypeAlias = Annotated[StrictStr, Field(pattern=r"^[\w.-]*\w[\w.-]*$")]


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
    measure: Measure = Field(default=Measure(), description="What is measured.")
    report: ReportOptions = Field(default=ReportOptions(), description="How results are shown.")
    search: Search | None = Field(default=None, description="A search over layouts, run by `ablate search`.")
    blocks: tuple[_Text, ...] = Field(
        default=(), description="Your own Python files with blocks, relative to this file. They are run."
    )


@dataclass(frozen=True)
class Study:
    """A validated study: every layout resolved, every option typed."""

    name: str
    layouts: dict[str, Layout]
    input: Input = field(default_factory=Input)
    defaults: Defaults = field(default_factory=Defaults)
    match: Match | None = None
    measure: Measure = field(default_factory=Measure)
    report: ReportOptions = field(default_factory=ReportOptions)
    search: Search | None = None
    block_files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    path: Path | None = None
    text: str = ""
