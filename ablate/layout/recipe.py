"""`Recipe`: how the mixers of a stage are made blocks; `Stage`: blocks at one resolution."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, get_args

from ablate.errors import AblateError, Mistake, did_you_mean
from ablate.layout.arguments import check_word
from ablate.layout.call import BlockCall, Value, format_value
from ablate.layout.settings import NormPlace, RecipeName
from ablate.layout.words import Word

if TYPE_CHECKING:
    from blocks import Kind

PARTS: dict[str, Kind] = {"ffn": "ffn", "norm": "norm", "position": "position"}
"""The settings of a recipe that are parts, and their kinds."""
_CHOICES: dict[str, tuple[str, ...]] = {
    "norm_place": get_args(NormPlace),
    "recipe": get_args(RecipeName),
}


_MLP, _LAYER, _NONE = BlockCall("mlp"), BlockCall("layer"), BlockCall("none")


@dataclass(frozen=True)
class Recipe:
    """What stands around a mixer: see `blocks.metaformer`. Scales are where they start; None for none."""

    ffn: BlockCall = _MLP
    norm: BlockCall = _LAYER
    mlp_ratio: float = 4.0
    norm_place: str = "pre"
    layer_scale: float | None = None
    res_scale: float | None = None
    position: BlockCall = _NONE
    recipe: str = "metaformer"

    def of(self, call: BlockCall) -> Recipe:
        """The recipe of one mixer: what stands in its braces goes before what holds for its stage."""
        return (
            replace(self, **{key: _read(key, value) for key, value in call.recipe}) if call.recipe else self
        )

    def calls(self) -> tuple[tuple[Kind, BlockCall], ...]:
        """The parts that it names, with their kinds."""
        return tuple((kind, getattr(self, key)) for key, kind in PARTS.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the same for all spellings."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            key: value.plain() if isinstance(value, BlockCall) else value for key, value in values.items()
        }


@dataclass(frozen=True)
class Stage:
    """The blocks at one resolution: `width` channels, `heads` of attention, and the `recipe` of its mixers.

    `before` are the pieces that lead to it: the stem, or the downsampling.
    """

    blocks: tuple[BlockCall, ...]
    width: int
    heads: int
    recipe: Recipe
    before: tuple[BlockCall, ...]

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.blocks)

    @property
    def mlp_ratio(self) -> float:
        """Hidden width of the FFNs over the width."""
        return self.recipe.mlp_ratio


def check_recipe(word: Word, *, look_up: bool = True) -> list[Mistake]:
    """Mistakes in what stands in braces behind a mixer, with their offsets. With `look_up` parts are looked
    up in the register."""
    if word.recipe is None:
        return []
    mistakes = []
    for key, value in word.recipe.call.args:
        if key not in _FIELDS:
            message = f"unknown setting {key!r} of a block{did_you_mean(key, _FIELDS)}"
            mistakes.append(Mistake(message, offset=word.recipe.key_offset(key)))
        elif not _fits(key, value):
            message = f"{key!r} must be {_wanted(key)}, got {format_value(value)}"
            near = did_you_mean(str(value), _CHOICES.get(key, ()))
            message += near if near.startswith("; did") else ""
            mistakes.append(Mistake(message, offset=word.recipe.value_offset(key)))
        elif key in PARTS and look_up:
            for part in word.recipe.parts_of(key):
                mistakes += check_word(part, PARTS[key])
    return mistakes


def refuse_recipe(word: Word, name: str) -> Mistake:
    """What is wrong with braces behind a part that is no mixer."""
    assert word.recipe is not None
    message = f"{name!r} is a whole block: settings of a recipe do not apply to it"
    return Mistake(message, offset=word.recipe.offset)


_FIELDS = tuple(field.name for field in fields(Recipe))


def _read(key: str, value: Value) -> Any:
    if key in PARTS:
        return value if isinstance(value, BlockCall) else BlockCall("none" if value is None else str(value))
    return (
        float(value)
        if isinstance(value, int | float)
        else "none"
        if value is None and key in _CHOICES
        else value
    )


def _fits(key: str, value: Value) -> bool:
    if key in PARTS:
        return value is None or isinstance(value, str | BlockCall)
    if key in _CHOICES:
        return ("none" if value is None else value) in _CHOICES[key]
    number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return number or (value is None and key != "mlp_ratio")


def _wanted(key: str) -> str:
    if key in PARTS:
        return f"a {PARTS[key]}"
    if key in _CHOICES:
        return " or ".join(_CHOICES[key])
    return "a positive number" + ("" if key == "mlp_ratio" else " or none")


def kind_of(call: BlockCall) -> str:
    """`mixer` or `block`. Raises `AblateError` for an unknown name."""
    import blocks

    try:
        return blocks.get(call.name, "mixer", "block").kind
    except blocks.UnknownPartError as error:
        raise AblateError(str(error)) from error
