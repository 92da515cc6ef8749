"""A base layout with some of its changes made: settings again, which resolve like any other layout's.

Every change acts on the places of the base: what `replace` puts somewhere is not what another change's
`arguments` speaks of. So the order of changes does not matter, and two changes exclude each other exactly
when they touch the same place. Places are tuples, and one holds another when it is its beginning:

    ()                      the whole layout
    ("ffn",)                a setting          ("ffn", "kernel")       an argument of its part
    ("widths", 2)           a setting of one stage, counted from 0
    ("block", 0, 1)         a block of a stage's cycle      ("block", 0, 1, "gate")   an argument of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.pattern import parse_call
from ablate.layout.settings import LayoutSettings
from ablate.study.ablation import Change

if TYPE_CHECKING:
    from blocks import Kind

Place: TypeAlias = tuple[str | int, ...]
PARTS = ("stem", "downsample", "ffn", "norm")
STAGED = ("widths", "depths", "heads", "mlp_ratio", "ffn", "norm")
"""Settings that a stage can have of its own."""


def cycles_of(base: Network) -> list[tuple[BlockCall, ...]]:
    """The cycle of blocks of each stage, as written; none for a model of timm."""
    if not isinstance(base, Layout):
        return []
    return [tuple(word.call for word in base.pattern.cycle(i)) for i in range(len(base.stages))]


def matching(base: Network, key: str, stages: Sequence[int] | None) -> list[Place]:
    """The places of the base's blocks that a key of `replace` or `arguments` means, in these stages (from 1).

    A key is a block's name, `key_only`, or a name with arguments, `conv(expand=2)`: those that were written
    so.
    """
    wanted = parse_call(key).call
    return [
        ("block", stage, position)
        for stage, cycle in enumerate(cycles_of(base))
        if stages is None or stage + 1 in stages
        for position, call in enumerate(cycle)
        if call.name == wanted.name and set(wanted.args) <= set(call.args)
    ]


def parts_named(base: Network, name: str) -> list[str]:
    """The settings whose part has this name: `ffn` for `conv` in `ffn: conv`."""
    calls = {part: part_call(base, part) for part in PARTS}
    return [part for part, call in calls.items() if call is not None and call.name == name]


def part_call(base: Network, part: str) -> BlockCall | None:
    """The part that a setting names, where it is one and the same in all stages; else None."""
    if not isinstance(base, Layout):
        return None
    if part in ("ffn", "norm"):
        calls: list[tuple[BlockCall, ...]] = [(getattr(stage.recipe, part),) for stage in base.stages]
    else:
        calls = [stage.before for stage in (base.stages[:1] if part == "stem" else base.stages[1:])]
    return calls[0][0] if calls and len(set(calls)) == 1 and len(calls[0]) == 1 else None


def part_kind(part: str) -> Kind:
    """The kind of part that a setting names."""
    kinds: dict[str, Kind] = {"ffn": "ffn", "norm": "norm"}
    return kinds.get(part, "stem")


def places(change: Change, base: Network) -> set[Place]:
    """What a change touches."""
    if change.layout is not None:
        return {()}
    out: set[Place] = set()
    for key in change.replace:
        out |= set(matching(base, key, change.stages))
    for key, arguments in change.arguments.items():
        where = list(matching(base, key, change.stages))
        if change.stages is None:
            where += [(part,) for part in parts_named(base, key)]
        out |= {(*place, argument) for place in where for argument in arguments}
    for name in change.set.model_fields_set:
        staged = change.stages is not None and name in STAGED
        out |= {(name, stage - 1) for stage in change.stages or ()} if staged else {(name,)}
    return out


def shared_place(first: set[Place], second: set[Place]) -> Place | None:
    """A place that both touch, or None."""
    for a in sorted(first, key=str):
        for b in second:
            short, long = sorted((a, b), key=len)
            if long[: len(short)] == short:
                return long
    return None


def place_text(place: Place, base: Network) -> str:
    """A place in words: `the key_only of stage 2`, `the setting 'ffn'`, `the whole layout`."""
    if not place:
        return "the whole layout"
    if place[0] == "block":
        call = cycles_of(base)[int(place[1])][int(place[2])]
        argument = f"argument {place[3]!r} of " if len(place) > 3 else ""
        return f"{argument}the {call.name} of stage {int(place[1]) + 1}"
    if len(place) > 1 and isinstance(place[1], int):
        return f"the setting {place[0]!r} of stage {place[1] + 1}"
    return f"the setting {place[0]!r}"


def apply_changes(base: Network, changes: Sequence[Change], layouts: Mapping[str, Network]) -> LayoutSettings:
    """The base's settings with these changes made, which must not exclude each other.

    Raises `PatternError` or pydantic's `ValidationError` for what is no layout; the words are not looked up.
    """
    whole = next((change.layout for change in changes if change.layout is not None), None)
    if whole is not None:
        return _another(base, whole, layouts)
    assert isinstance(base, Layout), "a model of timm has no blocks to change"
    given: dict[str, Any] = base.settings.model_dump(exclude_none=True)
    cycles = [list(cycle) for cycle in cycles_of(base)]
    for change in changes:
        for key, text in change.replace.items():
            for _, stage, position in matching(base, key, change.stages):
                cycles[int(stage)][int(position)] = parse_call(text).call
        for key, arguments in change.arguments.items():
            for _, stage, position in matching(base, key, change.stages):
                call = cycles[int(stage)][int(position)]
                cycles[int(stage)][int(position)] = with_arguments(call, arguments)
            if change.stages is None:
                for part in parts_named(base, key):
                    shared = part_call(base, part)
                    if shared is not None:
                        given[part] = str(with_arguments(shared, arguments))
        for name in change.set.model_fields_set:
            given[name] = _set(base, given, name, getattr(change.set, name), change.stages)
    if any(change.replace or change.arguments for change in changes) and cycles:
        texts = [" ".join(map(str, cycle)) for cycle in cycles]
        key = "layout" if base.settings.stages is None else "stages"
        # cycles that are all alike stay one, unless the stages' number is said by the pattern alone
        alike = len(set(texts)) == 1 and "|" not in str(given[key])
        given[key] = texts[0] if alike else " | ".join(texts)
    return LayoutSettings.model_validate({key: value for key, value in given.items() if value is not None})


def with_arguments(call: BlockCall, arguments: Mapping[str, Any]) -> BlockCall:
    """The block with these arguments set, the others as they were."""
    return BlockCall(call.name, tuple({**call.kwargs, **arguments}.items()))


def _set(base: Network, given: Mapping[str, Any], name: str, value: Any, stages: Sequence[int] | None) -> Any:
    if stages is None or name not in STAGED or not isinstance(base, Layout):
        return value
    now = given.get(name)
    if now is None:
        now = getattr(base, name, None) or [str(getattr(stage.recipe, name)) for stage in base.stages]
    now = list(now) if isinstance(now, list | tuple) else [now] * len(base.stages)
    return [value if stage + 1 in stages else old for stage, old in enumerate(now)]


def _another(base: Network, whole: str | LayoutSettings, layouts: Mapping[str, Network]) -> LayoutSettings:
    """A layout of the study by its name, a pattern on the base's other settings, or settings over the
    base's.
    """
    if isinstance(whole, str) and whole in layouts:
        other = layouts[whole]
        return other.settings if isinstance(other, Layout) else LayoutSettings(layout=other.text)
    own = {"layout": whole} if isinstance(whole, str) else whole.model_dump(exclude_unset=True)
    if str(own.get("layout", "")).strip().startswith("timm:"):
        return LayoutSettings.model_validate(own)
    given: dict[str, Any] = base.settings.model_dump(exclude_none=True) if isinstance(base, Layout) else {}
    if own.get("stages") is not None:
        given = {key: value for key, value in given.items() if key not in ("layout", "depths")}
    elif own.get("layout") is not None and "stages" in given:
        del given["stages"]
        given["depths"] = list(base.depths) if isinstance(base, Layout) else None
    merged = {**given, **own}
    return LayoutSettings.model_validate({key: value for key, value in merged.items() if value is not None})
