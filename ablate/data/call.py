"""How a study names an image set: `digits`, `reach(distances=[1, 2], size=16)`, `folder:PATH`."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ablate.data.register import Argument, Entry, find_entry
from ablate.errors import AblateError, did_you_mean
from ablate.layout.call import format_value
from ablate.layout.tokens import PatternError, Token, read_number, split_tokens

Scalar: TypeAlias = int | float | bool | str | None
Value: TypeAlias = Scalar | tuple[Scalar, ...]

_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}
_WANTED: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


@dataclass(frozen=True)
class DatasetCall:
    """A set's name and the arguments that were written, sorted by name: equal when they mean the same."""

    name: str
    args: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "args", tuple(sorted(self.args)))

    @property
    def kwargs(self) -> dict[str, Value]:
        """The arguments as a dictionary."""
        return dict(self.args)

    def __str__(self) -> str:
        if not self.args:
            return self.name
        return f"{self.name}({', '.join(f'{key}={_format(value)}' for key, value in self.args)})"


def check_name(text: str) -> DatasetCall:
    """The set that a text names, and its arguments; nothing of the set is loaded.

    Raises `AblateError` for a text that cannot be read, for an unknown name or argument (with the nearest
    one), and for a value of the wrong type.
    """
    name, colon, rest = text.partition(":")
    if len(name) == 1 or (not colon and "/" in text and "(" not in text):
        name, colon, rest = "folder", ":", text  # any path is an image folder
    if colon and re.fullmatch(r"[\w-]+", name):
        entry = find_entry(name)
        if entry.after_colon is None:
            raise AblateError(f"the dataset {name!r} takes nothing after a colon, got {text!r}")
        if not rest:
            raise AblateError(f"{text!r}: expected the {entry.after_colon} after the colon")
        return DatasetCall(name, ((entry.after_colon, rest),))
    call = _parse(text)
    for problem in _problems(find_entry(call.name), call):
        raise AblateError(problem)
    return call


def _problems(entry: Entry, call: DatasetCall) -> Iterator[str]:
    known = entry.arguments
    for key, value in call.args:
        if key not in known:
            hint = did_you_mean(key, tuple(known)) or "; it takes none"
            yield f"unknown argument {key!r} of {entry.name!r}{hint}"
        elif not _fits(value, known[key].annotation):
            wanted = " or ".join(_wanted(known[key].annotation))
            yield f"argument {key!r} of {entry.name!r} must be {wanted}, got {_format(value)}" + _near(
                value, known[key]
            )
    for key, argument in known.items():
        if argument.required and key not in call.kwargs:
            yield f"{entry.name!r} needs the argument {key!r}"


def _near(value: Value, argument: Argument) -> str:
    choices = [
        str(choice)
        for option in _alternatives(argument.annotation)
        if typing.get_origin(option) is Literal
        for choice in typing.get_args(option)
    ]
    near = did_you_mean(str(value), choices)
    return near if near.startswith("; did") else ""


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _fits(value: Value, annotation: Any) -> bool:
    """Strict: a bool is no number, a whole number is a float too, a choice is one of its literals."""
    return any(_fits_option(value, option) for option in _alternatives(annotation))


def _fits_option(value: Value, option: Any) -> bool:
    if option in (None, types.NoneType):
        return value is None
    if typing.get_origin(option) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in typing.get_args(option))
    if typing.get_origin(option) is tuple:
        item = typing.get_args(option)[0]
        return isinstance(value, tuple) and all(_fits(part, item) for part in value)
    if option is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is option


def _wanted(annotation: Any) -> Iterator[str]:
    for option in _alternatives(annotation):
        if option in (None, types.NoneType):
            yield "none"
        elif typing.get_origin(option) is Literal:
            yield " or ".join(repr(choice) for choice in typing.get_args(option))
        elif typing.get_origin(option) is tuple:
            yield f"a list, each {' or '.join(_wanted(typing.get_args(option)[0]))}"
        else:
            yield _WANTED.get(option, str(option))


def _format(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(format_value(part) for part in value)}]"
    return format_value(value)


def _parse(text: str) -> DatasetCall:
    """`NAME` or `NAME(KEY=VALUE, ...)`. Raises `AblateError`."""
    try:
        return _Parser(text).call()
    except PatternError as error:
        raise AblateError(f"dataset {text!r}: {error.message}") from None


class _Parser:
    """The words of one text, read from left to right."""

    def __init__(self, text: str):
        self.tokens: Iterator[Token] = iter(split_tokens(text))
        self.token = next(self.tokens)

    def call(self) -> DatasetCall:
        name, args = self.word("a data set's name"), dict[str, Value]()
        if self.take("("):
            while not self.take(")"):
                key = self.word("an argument or ')'")
                self.expect("=")
                if key in args:
                    raise PatternError(f"argument {key!r} is given twice", self.token.offset)
                args[key] = self.value()
                if self.token.text != ")":
                    self.expect(",")
        if self.token.kind != "end":
            raise self.error("nothing after the data set")
        return DatasetCall(name, tuple(args.items()))

    def value(self) -> Value:
        if not self.take("["):
            return self.scalar()
        values: list[Scalar] = []
        while not self.take("]"):
            values.append(self.scalar())
            if self.token.text != "]":
                self.expect(",")
        return tuple(values)

    def scalar(self) -> Scalar:
        token = self.token
        if token.kind not in ("number", "name", "text"):
            raise self.error("a value")
        self.advance()
        if token.kind == "number":
            try:
                return read_number(token.text)
            except ValueError as error:
                raise PatternError(str(error), token.offset) from None
        return token.text[1:-1] if token.kind == "text" else _WORDS.get(token.text, token.text)

    def word(self, wanted: str) -> str:
        if self.token.kind != "name":
            raise self.error(wanted)
        text = self.token.text
        self.advance()
        return text

    def take(self, mark: str) -> bool:
        taken = self.token.kind == "mark" and self.token.text == mark
        if taken:
            self.advance()
        return taken

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise self.error(repr(mark))

    def advance(self) -> None:
        self.token = next(self.tokens)

    def error(self, wanted: str) -> PatternError:
        got = repr(self.token.text) if self.token.text else "the end"
        return PatternError(f"expected {wanted}, got {got}", self.token.offset)
