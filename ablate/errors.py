"""Errors of the layout language: every problem has a place, and all of a file's problems come together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

_WIDEST = 160  # characters of a line that a message shows


class AblateError(Exception):
    """A mistake in the user's input. The command line prints it and exits with 2."""


@dataclass(frozen=True)
class Problem:
    """One mistake and where it is. Lines and columns count from 1; 0 means that the place is not known."""

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""  # the text of the line, for the caret

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = f"{place}: {self.message}" if place else self.message
        if self.source and self.column:
            source, caret = _window(self.source, self.column - 1)
            text += f"\n    {source}\n    {' ' * caret}^"
        return text

    def at(self, file: str, line: int, column: int, source: str) -> Problem:
        """The same mistake, seen from the file that holds the text it was found in."""
        return replace(self, file=file, line=line, column=column, source=source)


def _window(line: str, at: int) -> tuple[str, int]:
    """The part of a line that fits on a screen, around the character `at`, and where that is in it."""
    if len(line) <= _WIDEST:
        return line, at
    start = max(0, min(at - _WIDEST // 2, len(line) - _WIDEST))
    before, after = "..." if start else "", "..." if start + _WIDEST < len(line) else ""
    return f"{before}{line[start : start + _WIDEST]}{after}", at - start + len(before)


class LayoutError(AblateError):
    """One or more problems of a layout or a study, in the order of their places."""

    def __init__(self, problems: Iterable[Problem] | Problem | str):
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'softmax'?` when a known word is near, else `; known: a, b, c`."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


@dataclass(frozen=True)
class Mistake:
    """A problem before its place in a file is known.

    `path` leads to the value through keys and list indices; `offset` counts characters from the start of the
    value when it is text; `at_key` means that the key is wrong, not its value.
    """

    message: str
    path: tuple[str | int, ...] = ()
    offset: int | None = None
    at_key: bool = False

    def under(self, *path: str | int) -> Mistake:
        """The same mistake, seen from further outside."""
        return replace(self, path=(*path, *self.path))

    def in_text(self, text: str) -> Problem:
        """The problem as a caller in Python sees it: the setting's name, and a caret under its text."""
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)[1:]
        if self.offset is None:
            return Problem(self.message, name)
        before = text[: self.offset]
        line, column = before.count("\n") + 1, self.offset - (before.rfind("\n") + 1) + 1
        return Problem(self.message, name, line, column, text.split("\n")[line - 1])


def first_line(error: BaseException) -> str:
    """What an exception says in its first line; its type's name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
