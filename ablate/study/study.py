"""The models of a study file, with what every key means, and `Study`, which is what a file comes to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, StrictStr

from ablate.layout.network import Network
from ablate.layout.settings import Defaults, Model, Positive
from ablate.measurements.fields import Input
from ablate.study.ablation import AblationValue
from ablate.study.ablation_layouts import Ablation
from ablate.study.expectation import Expectation
from ablate.study.fields import Size, Text
from ablate.study.ladder import Ladder, LadderSettings
from ablate.study.match import Match
from ablate.study.measure import measure_model
from ablate.study.search import Search, Space

__all__ = ["Input", "Match", "ReportOptions", "Search", "Space", "Study", "StudyFile"]


class ReportOptions(Model):
    """How results are shown."""

    baseline: StrictStr | None = Field(default=None, description="The layout that others are compared to.")
    columns: tuple[StrictStr, ...] = Field(
        default=(), description="Columns of the main table, in this order: [params, macs, latency, accuracy]."
    )
    names: dict[StrictStr, StrictStr] = Field(
        default={}, description="What columns are called: {params: Size (M)}."
    )
    equivalent_within: Positive | None = Field(
        default=None, description="Points within which two accuracies count as equal, as 0.5."
    )
    equivalent_ratio: Annotated[Size, Field(gt=0)] | None = Field(
        default=None, description="Share within which two latencies count as equal, as 2%."
    )


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
    define: dict[str, StrictStr] = Field(
        default={}, description="Names for parts of patterns, for every layout: {hybrid: conv key_only}."
    )
    layouts: dict[str, Any] = Field(default={}, description="The layouts, by name.")
    ablation: AblationValue = Field(
        default=None, description="A base layout, named changes, and which of them are made together."
    )
    ladder: LadderSettings | None = Field(
        default=None, description="Each layout at several sizes, for a law of accuracy against MACs."
    )
    expect: tuple[StrictStr, ...] = Field(
        default=(), description="What the author predicts: accuracy of a > accuracy of b by 0.5."
    )
    claims: dict[str, tuple[StrictStr, ...]] = Field(
        default={},
        description="Sentences that others have written, each with the lines, as in `expect`, that test it; "
        "without any it is not tested.",
    )
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
    layouts: dict[str, Network]
    input: Input = field(default_factory=Input)
    defaults: Defaults = field(default_factory=Defaults)
    match: Match | None = None
    measure: Any = field(default_factory=lambda: measure_model()())  # of `ablate.study.measure.measure_model`
    report: ReportOptions = field(default_factory=ReportOptions)
    search: Search | None = None
    ablations: tuple[Ablation, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    budgets: dict[str, Match] = field(default_factory=dict)  # of layouts that have one of their own
    expectations: tuple[Expectation, ...] = ()
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)  # sentence -> expectations as text
    extensions: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    path: Path | None = None
    text: str = ""

    @property
    def matches(self) -> dict[str, Match]:
        """The budget of every layout that is to be brought to one."""
        if self.match is None:
            return dict(self.budgets)
        return dict.fromkeys(self.layouts, self.match) | self.budgets

    @property
    def baseline(self) -> str:
        """The layout that the others are compared to: the report's, else the first one."""
        return self.report.baseline or next(iter(self.layouts), "")
