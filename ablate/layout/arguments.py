"""Check the words of a layout against the register: names, arguments, types, and values as the constructor
sees them."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ablate.errors import AblateError, Mistake, did_you_mean
from ablate.forked import Forked, GoneError
from ablate.layout.call import BlockCall, Value, format_value
from ablate.layout.pattern import Word

if TYPE_CHECKING:
    from blocks import Entry, Kind

_Wanted: TypeAlias = "tuple[Kind, BlockCall, tuple[tuple[str, Value], ...]]"
_WANTED: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def find_part(name: str, *kinds: Kind) -> Entry:
    """The registered part of one of these kinds. Raises `AblateError` that names the nearest one."""
    import blocks

    try:
        return blocks.get(name, *kinds)
    except blocks.UnknownPartError as error:
        kind = "block" if "mixer" in kinds else kinds[0]
        raise AblateError(f"unknown {kind} {name!r}{did_you_mean(name, error.names)}") from error


WIDTH = "width"
"""What the pieces of a stem, a downsampling or a head take beside their own arguments."""


def check_word(word: Word, *kinds: Kind) -> list[Mistake]:
    """Mistakes in a part's name and in the names and types of its arguments, with offsets into its text.

    Parts that stand as values are checked too. A stem may say its `width`.
    """
    try:
        entry = find_part(word.call.name, *kinds)
    except AblateError as error:
        return [Mistake(str(error), offset=word.offset)]
    call = without_width(word.call) if entry.kind == "stem" else word.call
    mistakes = [
        Mistake(message, offset=word.key_offset(key) if wrong_key else word.value_offset(key))
        for key, wrong_key, message in _argument_problems(entry, call, str(call))
    ]
    width = word.call.kwargs.get(WIDTH)
    if call is not word.call and not (type(width) is int and 1 <= width <= 65536):
        shown = format_value(width)
        message = f"argument {WIDTH!r} must be a whole number of channels, got {shown}"
        mistakes.append(Mistake(message, offset=word.value_offset(WIDTH)))
    for key, words in word.parts:
        kind = kind_within(entry.arguments[key].annotation) if key in entry.arguments else None
        if kind is not None:
            mistakes += [mistake for part in words for mistake in check_word(part, kind)]
    return mistakes


def without_width(call: BlockCall) -> BlockCall:
    """A piece's call without the `width` that is not its constructor's; the call itself if it has none."""
    if WIDTH not in call.kwargs:
        return call
    return BlockCall(call.name, tuple(pair for pair in call.args if pair[0] != WIDTH), call.recipe)


def check_values(
    word: Word, kinds: tuple[Kind, ...], supplied: tuple[tuple[str, Value], ...]
) -> Mistake | None:
    """The constructor's own objection to the values, or None: the part is built on the `meta` device.

    `supplied` are the positional arguments as the model would give them. The block must have passed
    `check_word`. The objection is placed at the argument that it names.
    """
    import blocks

    entry = blocks.get(word.call.name, *kinds)
    call = without_width(word.call) if entry.kind == "stem" else word.call
    message = _objection(entry, call, supplied)
    if not message:
        return None
    named = [key for key, _ in word.call.args if re.search(rf"\b{re.escape(key)}\b", message)]
    offset = word.value_offset(named[0]) if named else word.offset
    return Mistake(f"{word.call.name}: {message}", offset=offset)


def parts_within(call: BlockCall, *kinds: Kind) -> Iterator[tuple[Kind, BlockCall]]:
    """The parts that a part is made with: its arguments' values, and the defaults of those left out."""
    for key, argument in find_part(call.name, *kinds).arguments.items():
        kind = kind_within(argument.annotation)
        if kind is None:
            continue
        value = call.kwargs.get(key, argument.default)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                yield kind, item if isinstance(item, BlockCall) else BlockCall(str(item))


def without_defaults(call: BlockCall, *kinds: Kind) -> BlockCall:
    """The call without the arguments that have their default."""
    arguments = find_part(call.name, *kinds).arguments
    own = ((key, value) for key, value in call.args if key == WIDTH or value != arguments[key].default)
    return BlockCall(call.name, tuple(own), call.recipe)


@lru_cache(maxsize=100_000)
def _objection(entry: Entry, call: BlockCall, supplied: tuple[tuple[str, Value], ...]) -> str:
    """What the constructor says against its arguments: asked in another process where a user has parts."""
    from blocks import registry

    shipped = Path(registry.__file__).parent
    users = tuple(part for part in registry.entries(*registry.KINDS) if shipped not in part.file.parents)
    wanted = (entry.kind, call, supplied)
    try:
        return _forked(users)(wanted) if users else _built(wanted)
    except GoneError as gone:
        return f"cannot be built: {gone}"


@lru_cache(maxsize=8)
def _forked(users: tuple[Entry, ...]) -> Forked[_Wanted]:
    """Builds parts in a process that knows these of the user."""
    return Forked(_built)


def _built(wanted: _Wanted) -> str:
    import torch

    import blocks

    kind, call, supplied = wanted
    try:
        with torch.device("meta"):
            blocks.get(call.name, kind).build(dict(supplied), call.kwargs)
    except ValueError as error:
        return str(error)
    except Exception as error:  # a user's own block may raise anything; a bad file never gives a traceback
        return f"cannot be built: {type(error).__name__}: {error}"
    return ""


@lru_cache(maxsize=100_000)
def _argument_problems(entry: Entry, call: BlockCall, written: str) -> tuple[tuple[str, bool, str], ...]:
    """(argument, whether its name is what is wrong, message).

    `written` keeps the cache from taking `kernel=3.0` or `shift=1` for the equal `kernel=3` and `shift=true`.
    """
    return tuple(_find_problems(entry, call))


def _find_problems(entry: Entry, call: BlockCall) -> Iterator[tuple[str, bool, str]]:
    arguments = entry.arguments
    for key, value in call.args:
        if key in entry.supplied:
            yield key, True, f"argument {key!r} of {entry.name!r} is set by the model, from the stage"
        elif key not in arguments:
            known = did_you_mean(key, tuple(arguments)) or "; it takes none"
            yield key, True, f"unknown argument {key!r} of {entry.name!r}{known}"
        elif not _fits(value, arguments[key].annotation):
            wanted = " or ".join(_wanted(arguments[key].annotation))
            got = value if isinstance(value, str) else format_value(value)
            message = f"argument {key!r} of {entry.name!r} must be {wanted}, got {got}"
            choices = [str(choice) for choice in _choices(arguments[key].annotation)]
            near = did_you_mean(str(value), choices)
            yield key, False, message + (near if near.startswith("; did") else "")
    for key, argument in arguments.items():
        if argument.default is inspect.Parameter.empty and key not in call.kwargs:
            yield key, True, f"{entry.name!r} needs the argument {key!r}"


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def kind_within(annotation: Any) -> Kind | None:
    """The kind of part that an argument holds: by itself, as an alternative, or in a list."""
    import blocks

    kind = blocks.part_kind(annotation)
    if kind is None and typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, list):
        within = (kind_within(item) for item in typing.get_args(annotation))
        return next((inner for inner in within if inner is not None), None)
    return kind


def _choices(annotation: Any) -> tuple[Any, ...]:
    return tuple(
        choice
        for alternative in _alternatives(annotation)
        if typing.get_origin(alternative) is Literal
        for choice in typing.get_args(alternative)
    )


def _fits(value: Value, annotation: Any) -> bool:
    """Strict: a bool is no number, a whole number is a float too, a choice is one of its literals."""
    return any(_is(value, alternative) for alternative in _alternatives(annotation))


def _is(value: Value, annotation: Any) -> bool:
    import blocks

    origin = typing.get_origin(annotation)
    if annotation in (None, types.NoneType):
        return value is None
    if blocks.part_kind(annotation) is not None:
        return value is None or isinstance(value, str | BlockCall)
    if origin is Literal:
        value = "none" if value is None else value
        return any(type(value) is type(choice) and value == choice for choice in typing.get_args(annotation))
    if origin in (tuple, list):
        return isinstance(value, tuple) and _items_fit(value, typing.get_args(annotation), origin)
    if origin in (typing.Union, types.UnionType):
        return _fits(value, annotation)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation in (int, bool, str):
        return type(value) is annotation
    if annotation in (tuple, list):
        return isinstance(value, tuple)
    return not isinstance(value, BlockCall)  # the language has no words for it: the constructor judges


def _items_fit(value: tuple[Value, ...], items: tuple[Any, ...], origin: Any) -> bool:
    if origin is list or (len(items) == 2 and items[1] is Ellipsis):
        return all(_fits(item, items[0]) for item in value)
    return len(value) == len(items) and all(map(_fits, value, items))


def _wanted(annotation: Any) -> list[str]:
    return [_words(alternative) for alternative in _alternatives(annotation)]


def _words(annotation: Any) -> str:
    """What an alternative wants, in words."""
    import blocks

    kind, origin, items = (
        blocks.part_kind(annotation),
        typing.get_origin(annotation),
        typing.get_args(annotation),
    )
    if annotation in (None, types.NoneType):
        return "none"
    if kind is not None:
        return f"a {kind}"
    if origin is Literal:
        return " or ".join(repr(choice) for choice in items)
    if origin is list or (origin is tuple and items[1:] == (Ellipsis,)):
        return f"a list of which each is {' or '.join(_wanted(items[0]))}"
    if origin is tuple:
        return f"[{', '.join(' or '.join(_wanted(item)) for item in items)}]"
    return _WANTED.get(annotation, str(annotation))
