"""What is wrong with one change of an ablation, before its layout is made: names, stages, words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.errors import Mistake, did_you_mean
from ablate.layout.arguments import check_word
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.pattern import PatternError, Word, parse_call
from ablate.study.ablation import Change, DesignName
from ablate.study.ablation_apply import (
    STAGED,
    cycles_of,
    matching,
    part_call,
    part_kind,
    parts_named,
    with_arguments,
)

if TYPE_CHECKING:
    from blocks import Kind


def change_mistakes(
    change: Change, base_name: str, base: Network, design: DesignName, *, check: bool
) -> list[Mistake]:
    """Every mistake, with its path below the change."""
    if change.layout is not None:
        if design == "stages":
            return [
                Mistake("the design 'stages' changes single stages; `layout` is all of them", ("layout",))
            ]
        return []
    if not isinstance(base, Layout):
        message = f"the base {base_name!r} is a model of timm, which has no blocks to change; use `layout`"
        return [Mistake(message, at_key=True)]
    return [
        *_stages(change, len(base.stages)),
        *_replace(change, base_name, base, check),
        *_arguments(change, base_name, base, design, check),
        *_set(change, design),
    ]


def _stages(change: Change, count: int) -> Iterator[Mistake]:
    for i, stage in enumerate(change.stages or ()):
        if stage > count:
            yield Mistake(f"the base has {count} stages, got {stage}", ("stages", i))


def _replace(change: Change, base_name: str, base: Layout, check: bool) -> Iterator[Mistake]:
    for key, text in change.replace.items():
        path = ("replace", key)
        missing = _unmatched(key, change, base_name, base, [])
        if missing is not None:
            yield Mistake(missing, path, at_key=True)
        try:
            word = parse_call(text)
        except PatternError as error:
            yield Mistake(error.message, path, error.offset)
            continue
        if check:
            yield from (item.under(*path) for item in check_word(word, "mixer", "block"))


def _arguments(
    change: Change, base_name: str, base: Layout, design: DesignName, check: bool
) -> Iterator[Mistake]:
    for key, arguments in change.arguments.items():
        path = ("arguments", key)
        parts = parts_named(base, key)
        missing = _unmatched(key, change, base_name, base, parts)
        if missing is not None:
            yield Mistake(missing, path, at_key=True)
            continue
        blocks = [cycles_of(base)[int(at[1])][int(at[2])] for at in matching(base, key, change.stages)]
        if not blocks and (design == "stages" or change.stages is not None):
            yield Mistake(f"{key!r} is the `{parts[0]}` of all stages, not a block of one", path, at_key=True)
        for argument, value in arguments.items() if check else ():
            calls: list[tuple[BlockCall, tuple[Kind, ...]]] = [
                *((call, ("mixer", "block")) for call in blocks[:1]),
                *(
                    (call, (part_kind(part),))
                    for part in parts[:1]
                    if (call := part_call(base, part)) is not None
                ),
            ]
            for call, kinds in calls:
                for item in check_word(Word(with_arguments(call, {argument: value}), 0), *kinds):
                    wrong_key = f"argument {argument!r} of" in item.message and "must be" not in item.message
                    yield Mistake(item.message, (*path, argument), at_key=wrong_key)


def _set(change: Change, design: DesignName) -> Iterator[Mistake]:
    for name in sorted(change.set.model_fields_set):
        staged = change.stages is not None or design == "stages"
        if staged and name not in STAGED:
            yield Mistake(
                f"{name!r} is the same in all stages; it cannot change in some", ("set", name), at_key=True
            )
        elif staged and (value := getattr(change.set, name)) is not None and isinstance(value, tuple):
            yield Mistake("a list is for all stages; for some of them, give one number", ("set", name))


def _unmatched(key: str, change: Change, base_name: str, base: Layout, parts: list[str]) -> str | None:
    """Why a key means no block of the base, or None when it means some."""
    try:
        wanted = parse_call(key).call
    except PatternError as error:
        return error.message
    if parts or matching(base, key, change.stages):
        return None
    if matching(base, key, None):
        return f"the base {base_name!r} has no {key!r} in the stages given"
    known = list(dict.fromkeys(call.name for cycle in cycles_of(base) for call in cycle))
    hint = did_you_mean(wanted.name, known) if wanted.name not in known else "; it has others of this name"
    return f"the base {base_name!r} has no block {key!r}{hint}"
