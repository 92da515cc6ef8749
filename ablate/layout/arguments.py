"""Check the words of a layout against the register: names, arguments, types, and values as the constructor
sees them."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ablate.errors import AblateError, Mistake, did_you_mean
from ablate.layout.call import BlockCall, Value, format_value
from ablate.layout.pattern import Word

if TYPE_CHECKING:
    from blocks import Entry, Kind

_WANTED: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def find_part(name: str, *kinds: Kind) -> Entry:
    """The registered part of one of these kinds. Raises `AblateError` that names the nearest one."""
    import blocks

    try:
        return blocks.get(name, *kinds)
    except blocks.UnknownPartError as error:
        what = "block" if "mixer" in kinds else kinds[0]
        raise AblateError(f"unknown {what} {name!r}{did_you_mean(name, error.names)}") from error


def check_word(word: Word, *kinds: Kind) -> list[Mistake]:
    """Mistakes in a block's name and in the names and types of its arguments, with offsets into its text."""
    try:
        entry = find_part(word.call.name, *kinds)
    except AblateError as error:
        return [Mistake(str(error), offset=word.offset)]
    return [
        Mistake(message, offset=word.key_offset(key) if wrong_key else word.value_offset(key))
        for key, wrong_key, message in _argument_problems(entry, word.call, str(word.call))
    ]


def check_values(
    word: Word, kinds: tuple[Kind, ...], supplied: tuple[tuple[str, Value], ...]
) -> Mistake | None:
    """The constructor's own objection to the values, or None: the part is built on the `meta` device.

    `supplied` are the positional arguments as the model would give them. The block must have passed
    `check_word`. The objection is placed at the argument that it names.
    """
    import blocks

    message = _objection(blocks.get(word.call.name, *kinds), word.call, supplied)
    if not message:
        return None
    named = [key for key, _ in word.call.args if re.search(rf"\b{re.escape(key)}\b", message)]
    offset = word.value_offset(named[0]) if named else word.offset
    return Mistake(f"{word.call.name}: {message}", offset=offset)


def without_defaults(call: BlockCall, *kinds: Kind) -> BlockCall:
    """The call without the arguments that have their default."""
    arguments = find_part(call.name, *kinds).arguments
    return BlockCall(
        call.name, tuple((key, value) for key, value in call.args if value != arguments[key].default)
    )


@lru_cache(maxsize=100_000)
def _objection(entry: Entry, call: BlockCall, supplied: tuple[tuple[str, Value], ...]) -> str:
    import torch

    try:
        with torch.device("meta"):
            entry.build(dict(supplied), call.kwargs)
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


def _choices(annotation: Any) -> tuple[Any, ...]:
    return tuple(
        choice
        for one in _alternatives(annotation)
        if typing.get_origin(one) is Literal
        for choice in typing.get_args(one)
    )


def _fits(value: Value, annotation: Any) -> bool:
    """Strict: a bool is no number, a whole number is a float too, a choice is one of its literals."""
    for one in _alternatives(annotation):
        if one in (None, types.NoneType):
            if value is None:
                return True
        elif typing.get_origin(one) is Literal:
            if any(type(value) is type(choice) and value == choice for choice in typing.get_args(one)):
                return True
        elif one is float:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return True
        elif one in (int, bool, str):
            if type(value) is one:
                return True
        else:
            return True  # an annotation the language has no words for; the constructor judges
    return False


def _wanted(annotation: Any) -> list[str]:
    words = []
    for one in _alternatives(annotation):
        if one in (None, types.NoneType):
            words.append("none")
        elif typing.get_origin(one) is Literal:
            words.append(" or ".join(repr(choice) for choice in typing.get_args(one)))
        else:
            words.append(_WANTED.get(one, str(one)))
    return words
