"""A layout written out: as plain data that is the same for all spellings, and as an entry of a study file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ablate.layout.arguments import find_part, parts_within
from ablate.layout.call import BlockCall
from ablate.layout.recipe import PARTS, Recipe, kind_of

if TYPE_CHECKING:
    from ablate.layout.layout import Layout
    from blocks import Kind

Shorten = Callable[..., BlockCall]


def _as_it_is(call: BlockCall, *kinds: str) -> BlockCall:
    return call


def to_dict(layout: Layout, shorten: Shorten = _as_it_is) -> dict[str, Any]:
    """The resolved network as plain data; `shorten(call, *kinds)` may leave arguments out."""

    def pieces(calls: Sequence[BlockCall], head: bool = False) -> list[Any]:
        kinds = ["stem"] * (len(calls) - head) + ["head"] * head
        return [shorten(call, kind).plain() for call, kind in zip(calls, kinds, strict=True)]

    def block_dicts(calls: Sequence[BlockCall], recipe: Recipe) -> list[Any]:
        written = {call: block(call, recipe) for call in dict.fromkeys(calls)}
        return [written[call] for call in calls]

    def block(call: BlockCall, recipe: Recipe) -> list[Any]:
        plain = shorten(BlockCall(call.name, call.args), "mixer", "block").plain()
        own = recipe.of(call)
        return [*plain, recipe_dict(own)] if own != recipe else plain

    def recipe_dict(recipe: Recipe) -> dict[str, Any]:
        short = {key: shorten(getattr(recipe, key), kind).plain() for key, kind in PARTS.items()}
        return recipe.to_dict() | short

    return {
        "drop_path": layout.drop_path,
        "stages": [
            {
                "before": pieces(stage.before),
                "blocks": block_dicts(stage.blocks, stage.recipe),
                "width": stage.width,
                "heads": stage.heads,
                "recipe": recipe_dict(stage.recipe),
            }
            for stage in layout.stages
        ],
        "head": pieces(layout.head, head=True),
    }


def to_yaml_dict(layout: Layout) -> dict[str, Any]:
    """An entry of `layouts:` that gives this layout again, whatever the file's defaults are."""
    spelled = layout.settings.stages is not None
    entry: dict[str, Any] = {"stages" if spelled else "layout": layout.text}
    if layout.settings.define:
        entry["define"] = dict(layout.settings.define)
    entry["stem"] = _chain_text(layout.stem)
    between = [_chain_text(stage.before) for stage in layout.stages[1:]]
    entry["downsample"] = _shared(between) if between else "overlap(stride=2)"
    entry["widths"] = list(layout.widths)
    if not spelled:
        entry["depths"] = list(layout.depths)
    ratios = [int(ratio) if ratio == int(ratio) else ratio for ratio in layout.mlp_ratio]
    entry |= {"heads": list(layout.heads), "mlp_ratio": ratios}
    recipes = [stage.recipe for stage in layout.stages]
    for key in ("ffn", "norm"):
        entry[key] = _shared([str(getattr(recipe, key)) for recipe in recipes])
    for key in ("norm_place", "layer_scale", "res_scale", "position", "recipe"):
        values = [getattr(recipe, key) for recipe in recipes]
        entry[key] = _shared(["none" if value is None else _text(value) for value in values])
    return entry | {"head": _chain_text(layout.head), "drop_path": layout.drop_path}


def parts_used(layout: Layout) -> tuple[tuple[tuple[Kind, ...], BlockCall], ...]:
    """Every distinct registered part with the kinds that its name is one of, arguments' parts included."""
    used: dict[tuple[tuple[Kind, ...], BlockCall], None] = {}
    for kinds, call in dict.fromkeys(_calls(layout)):
        for entry in _with_parts(kinds, call):
            used.setdefault(entry)
    return tuple(used)


def _calls(layout: Layout) -> Iterator[tuple[tuple[Kind, ...], BlockCall]]:
    for stage in layout.stages:
        for call in dict.fromkeys(stage.blocks):
            yield ("mixer", "block"), BlockCall(call.name, call.args)
            if kind_of(call) == "mixer":
                yield from (((kind,), part) for kind, part in stage.recipe.of(call).calls())
    for stage in layout.stages:
        yield from ((("stem",), call) for call in stage.before)
    yield from ((("stem",), call) for call in layout.head[:-1])
    yield ("head",), layout.head[-1]
    if "norm" in find_part(layout.head[-1].name, "head").arguments:
        yield ("norm",), layout.stages[-1].recipe.norm  # which such a head has unless it says another


def _with_parts(kinds: tuple[Kind, ...], call: BlockCall) -> Iterator[tuple[tuple[Kind, ...], BlockCall]]:
    yield kinds, call
    for kind, part in parts_within(call, *kinds):
        yield from _with_parts((kind,), part)


def _chain_text(calls: Sequence[BlockCall]) -> str:
    return " ".join(map(str, calls))


def _shared(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else list(values)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, BlockCall) else value
