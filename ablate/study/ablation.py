"""What a study file says under `ablation:`: a base layout, named changes, and a design.

    ablation:
      base: hybrid
      changes:
        no-attention: {replace: {key_only: conv(expand=2)}}
        late-attention: {replace: {key_only: conv(expand=2)}, stages: [1, 2]}
        plain-ffn: {set: {ffn: mlp}}
        one-head: {arguments: {key_only: {gate: global}}}
        grafted: {layout: "graft(conv, key_only, from=3)"}
      design: leave-one-out

Several ablations are a list of these, or a mapping of names to them. `ablate.study.ablation_layouts` makes
the layouts, `ablate.study.ablation_design` says which changes go together.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainValidator,
    Strict,
    StrictStr,
    Tag,
    ValidationError,
    model_validator,
)

from ablate.errors import Mistake, did_you_mean
from ablate.layout.settings import Defaults, LayoutSettings, Model, plain_mistakes
from ablate.measurements.fields import distinct

DesignName: TypeAlias = Literal["leave-one-out", "add-one", "cumulative", "full", "half", "stages"]
DESIGNS: tuple[DesignName, ...] = get_args(DesignName)
_SEPARATORS = "/+@"  # what derived names are joined with
_ABLATION = ("base", "changes", "design")

StageNumber: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=1000)]


def _argument(value: Any) -> Any:
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("expected a word or a number")
    return value


def _text_or_settings(value: Any) -> Literal["one", "each"]:
    """The tags that the settings' own unions have: no path shows them."""
    return "each" if isinstance(value, dict | LayoutSettings) else "one"


ArgumentValue: TypeAlias = Annotated[
    int | float | bool | str | None,
    PlainValidator(_argument, json_schema_input_type=int | float | bool | str | None),
]


class Change(Model):
    """One named change of the base. Several kinds may stand in one change: they are made together."""

    replace: dict[StrictStr, StrictStr] = Field(
        default={}, description="Blocks to replace: {key_only: conv(expand=2)}."
    )
    arguments: dict[StrictStr, Annotated[dict[StrictStr, ArgumentValue], Field(min_length=1)]] = Field(
        default={}, description="Arguments of blocks to set: {key_only: {gate: global}}."
    )
    set: Defaults = Field(default=Defaults(), description="Settings of the layout: {ffn: mlp}.")
    layout: (
        Annotated[
            Annotated[StrictStr, Tag("one")] | Annotated[LayoutSettings, Tag("each")],
            Discriminator(_text_or_settings),
        ]
        | None
    ) = Field(default=None, description="Another pattern, another layout of the file, or its settings.")
    stages: Annotated[
        tuple[StageNumber, ...] | None, AfterValidator(lambda value: value and distinct(value))
    ] = Field(
        default=None, min_length=1, description="The stages that are changed, counted from 1; default: all."
    )

    @model_validator(mode="after")
    def _something(self) -> Change:
        given = self.replace or self.arguments or self.set.model_fields_set
        if self.layout is None and not given:
            raise ValueError("a change needs one of replace, arguments, set, layout")
        if self.layout is not None and (given or self.stages is not None):
            raise ValueError("`layout` changes the whole layout; it stands alone")
        return self


class AblationSettings(Model):
    """One ablation: the base, the changes by name, and which of them are made together."""

    base: Annotated[StrictStr, Field(min_length=1, description="The layout that is taken apart.")]
    changes: Annotated[dict[StrictStr, Change], Field(min_length=1, description="The changes, by name.")]
    design: DesignName = Field(
        default="leave-one-out",
        description="leave-one-out, add-one, cumulative, full or half (two-level factorials), or stages.",
    )


AblationValue: TypeAlias = Annotated[
    Any,
    PlainValidator(
        lambda value: value,
        json_schema_input_type=AblationSettings | list[AblationSettings] | dict[str, AblationSettings],
    ),
]
"""The type of the key `ablation` in a study file's model: `read_settings` does the checking, with paths."""


def read_settings(value: Any) -> tuple[dict[tuple[str | int, ...], AblationSettings], list[Mistake]]:
    """The ablations of the value of `ablation:`, by their paths in it, and what is wrong with the others.

    The path is `()` for one ablation, `(0,)` in a list, `("name",)` in a mapping of names.
    """
    if isinstance(value, list) and value:
        entries: dict[tuple[str | int, ...], Any] = {(i,): entry for i, entry in enumerate(value)}
    elif isinstance(value, dict) and value and not any(key in value for key in _ABLATION):
        entries = {(name,): entry for name, entry in value.items()}
    else:
        entries = {(): value}
    settings: dict[tuple[str | int, ...], AblationSettings] = {}
    mistakes: list[Mistake] = []
    for path, entry in entries.items():
        try:
            settings[path] = AblationSettings.model_validate(entry)
        except ValidationError as error:
            mistakes += [_with_hint(item).under(*path) for item in plain_mistakes(error)]
            continue
        mistakes += [
            Mistake(message, ("changes", name), at_key=True).under(*path)
            for name in settings[path].changes
            if (message := _name_problem(name))
        ]
    return settings, list(dict.fromkeys(mistakes))


def _name_problem(name: str) -> str:
    if not name or not name.isprintable() or any(mark in name for mark in f"{_SEPARATORS} "):
        return f"a change's name has no spaces and none of / + @, got {name!r}"
    return ""


def _with_hint(mistake: Mistake) -> Mistake:
    """Add the nearest known key to a complaint about an unknown one."""
    if not (mistake.at_key and mistake.message.startswith("unknown key")):
        return mistake
    models: dict[int, type[Model]] = {1: AblationSettings, 3: Change}
    model = models.get(len(mistake.path), Defaults)
    if len(mistake.path) > 3 and mistake.path[2] == "layout":
        model = LayoutSettings
    hint = did_you_mean(str(mistake.path[-1]), list(model.model_fields))
    return Mistake(mistake.message + hint, mistake.path, at_key=True)
