"""The settings of one layout, as a study file and the Python interface both take them, and their checks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    StrictStr,
    Tag,
    ValidationError,
)

from ablate.errors import Mistake, did_you_mean


class Model(BaseModel):
    """Base of every model of the study file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


def _one_or_each(value: Any) -> Literal["one", "each"]:
    return "each" if isinstance(value, list | tuple) else "one"


_TAGS = ("one", "each")
_SHOWN = 40  # digits or characters of a wrong value that a message repeats

Count: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=65536)]
Positive: TypeAlias = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Counts: TypeAlias = Annotated[
    Annotated[Count, Tag("one")] | Annotated[tuple[Count, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]
Ratios: TypeAlias = Annotated[
    Annotated[Positive, Tag("one")] | Annotated[tuple[Positive, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]
Texts: TypeAlias = Annotated[
    Annotated[StrictStr, Tag("one")] | Annotated[tuple[StrictStr, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]


def _number_or_none(value: Any) -> Any:
    return None if value == "none" else value


_MaybePositive: TypeAlias = Annotated[
    Positive | None, BeforeValidator(_number_or_none, json_schema_input_type=Positive | Literal["none"])
]
Scales: TypeAlias = Annotated[
    Annotated[_MaybePositive, Tag("one")]
    | Annotated[tuple[_MaybePositive, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]
NormPlace: TypeAlias = Literal["pre", "post", "res_post", "none"]
Places: TypeAlias = Annotated[
    Annotated[NormPlace, Tag("one")] | Annotated[tuple[NormPlace, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]
RecipeName: TypeAlias = Literal["metaformer", "metanext"]
RecipeNames: TypeAlias = Annotated[
    Annotated[RecipeName, Tag("one")] | Annotated[tuple[RecipeName, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]
Depth: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=1000)]
Depths: TypeAlias = Annotated[
    Annotated[Depth, Tag("one")] | Annotated[tuple[Depth, ...], Field(min_length=1), Tag("each")],
    Discriminator(_one_or_each),
]


class Defaults(Model):
    """Settings of a layout; every one may be left out. One value means the same for every stage."""

    stem: StrictStr | None = Field(
        default=None,
        description="Image to the first map: a part, or several in a row; all but the last say their width. "
        "Default overlap(stride=4).",
    )
    downsample: Texts | None = Field(
        default=None,
        description="The same before each further stage; a list has one for stages 2, 3, ... "
        "Default overlap(stride=2).",
    )
    widths: Counts | None = Field(
        default=None, description="Channels of each stage; default 64, 128, 320, 512."
    )
    depths: Depths | None = Field(
        default=None, description="Blocks in each stage; the pattern is cycled to fill them. Default 2."
    )
    heads: Counts | None = Field(
        default=None, description="Attention heads of each stage; default: from head_dim, two at least."
    )
    head_dim: Counts | None = Field(default=None, description="Channels of one head aimed at, default 32.")
    mlp_ratio: Ratios | None = Field(
        default=None, description="Hidden width of the FFN as a multiple of the stage's width, default 4."
    )
    ffn: Texts | None = Field(
        default=None, description="Feed-forward network of MetaFormer blocks: mlp (default), none, ..."
    )
    norm: Texts | None = Field(
        default=None, description="Normalisation of MetaFormer blocks: layer (default), none, ..."
    )
    norm_place: Places | None = Field(
        default=None,
        description="Where the norms stand: pre (before each branch, default), post (behind the sum), "
        "res_post (behind the branch), none.",
    )
    layer_scale: Scales | None = Field(
        default=None, description="Where the learned scale of each branch starts; none (default) for none."
    )
    res_scale: Scales | None = Field(
        default=None, description="Where the learned scale of each residual starts; none (default) for none."
    )
    position: Texts | None = Field(
        default=None, description="What tells a token its place: none (default), cpe, learned, sine."
    )
    recipe: RecipeNames | None = Field(
        default=None,
        description="How a mixer is made a block: metaformer (default; a residual each for mixer and FFN) or "
        "metanext (one residual for both).",
    )
    head: StrictStr | None = Field(
        default=None,
        description="Last map to scores: norm_pool (default), pool_norm, pool, mlp; parts of stems may stand "
        "before it, with their widths.",
    )
    drop_path: Annotated[float, Strict(), Field(ge=0, lt=1)] | None = Field(
        default=None, description="Stochastic depth of the last block (it rises linearly from 0), default 0."
    )


class LayoutSettings(Defaults):
    """One layout: `layout` (a rule, a pattern, timm:NAME) or `stages`, and what differs from the defaults."""

    layout: StrictStr | None = Field(
        default=None, description="A rule, a pattern cycled to fill depths, or timm:NAME."
    )
    stages: StrictStr | None = Field(
        default=None, description="A pattern that spells every block out; its depths are what is written."
    )
    define: dict[str, StrictStr] | None = Field(
        default=None, description="Names for parts of patterns: {hybrid: conv key_only}."
    )


def plain_mistakes(error: ValidationError) -> list[Mistake]:
    """Pydantic's errors in plain words, with the path of each value."""
    errors = error.errors(include_url=False)
    # a list whose items are wrong is also called too short
    return [_plain(item) for item in errors if item["type"] != "too_short" or not item["input"]]


def _plain(error: Any) -> Mistake:
    path = tuple(part for part in error["loc"] if part not in _TAGS)
    kind, context, got = error["type"], error.get("ctx", {}), _shown(error["input"])
    wanted = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "string_type": "text",
        "bool_type": "true or false",
        "list_type": "a list",
        "tuple_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
        "greater_than_equal": f"at least {context.get('ge', 0):g}",
        "less_than_equal": f"at most {context.get('le', 0):g}",
        "greater_than": f"more than {context.get('gt', 0):g}",
        "less_than": f"less than {context.get('lt', 0):g}",
    }
    if kind == "extra_forbidden":
        return Mistake(f"unknown key {path[-1]!r}", path, at_key=True)
    if kind == "too_long" and context.get("actual_length", 0) > 2 * _SHOWN:
        most, got_now = context["max_length"], context["actual_length"]
        return Mistake(f"expected at most {most} values, got {got_now:,}", path)
    if kind == "too_long" or (kind == "missing" and isinstance(path[-1], int)):
        return Mistake("the list has the wrong length", path if kind == "too_long" else path[:-1])
    if kind == "missing":
        return Mistake(f"the key {path[-1]!r} is missing", path[:-1], at_key=True)
    if kind == "too_short":
        return Mistake("the list is empty", path)
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        near = did_you_mean(str(error["input"]), choices)
        expected = context["expected"] if not near.startswith("; known") else ", ".join(choices)
        return Mistake(f"expected {expected}, got {got}{near if near.startswith('; did') else ''}", path)
    if kind in wanted:
        return Mistake(f"expected {wanted[kind]}, got {got}", path)
    message = str(context["error"]) if "error" in context else error["msg"]
    return Mistake(message, path)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return f"a number of more than {_SHOWN} digits"
    text = repr(value)
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}..."
