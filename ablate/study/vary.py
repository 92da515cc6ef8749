"""The matrix: entries that say `$name` are written out once for every value, and every character keeps its
origin."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ablate.errors import Mistake, did_you_mean
from ablate.layout.call import format_value

KeyPath: TypeAlias = tuple[str | int, ...]
_NAME = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Piece:
    """Characters of an expanded text, and where they were written."""

    length: int
    path: KeyPath
    offset: int


@dataclass
class Expanded:
    """One entry of `layouts` with its names filled in."""

    name: str
    value: Any
    entry: str
    pieces: dict[KeyPath, list[Piece]] = field(default_factory=dict)
    whole: dict[KeyPath, KeyPath] = field(default_factory=dict)  # values that were a `$name` and nothing else

    def origin(self, path: KeyPath, offset: int | None) -> tuple[KeyPath, int | None]:
        """Where a part of the expanded entry was written: in `layouts` or in `vary`."""
        for above, source in self.whole.items():
            if path[: len(above)] == above:
                return (*source, *path[len(above) :]), offset
        if offset is not None:
            start = 0
            for piece in self.pieces.get(path, []):
                if start <= offset < start + piece.length:
                    varied = piece.path[0] == "vary"
                    return piece.path, offset - start + (0 if varied else piece.offset)
                start += piece.length
            if path in self.pieces:
                last = self.pieces[path][-1]
                return last.path, last.offset + last.length
        return ("layouts", self.entry, *path), offset


def names_in(value: Any) -> set[str]:
    """The names after `$` in a text, or in the texts of a mapping or list."""
    if isinstance(value, str):
        return {braced or bare for braced, bare in _NAME.findall(value)}
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


def unknown_names(value: Any, path: KeyPath, known: list[str], *, at_key: bool = False) -> Iterator[Mistake]:
    """A mistake for each `$name` that `vary` does not have."""
    if isinstance(value, str):
        for match in _NAME.finditer(value):
            name = match[1] or match[2]
            if name not in known:
                hint = did_you_mean(name, known) if known else "; the file has no `vary`"
                yield Mistake(
                    f"unknown name '${name}'{hint}", path, None if at_key else match.start(), at_key
                )
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from unknown_names(below, (*path, key), known)
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from unknown_names(below, (*path, i), known)


def expand(entry: str, value: Any, vary: dict[str, list[Any]]) -> list[Expanded]:
    """The entry once for each combination of the names it uses, in the order of `vary`."""
    used = [name for name in vary if name in names_in([entry, value])]
    out = []
    for choice in itertools.product(*(range(len(vary[name])) for name in used)):
        chosen = dict(zip(used, choice, strict=True))
        expanded = Expanded("", None, entry)
        expanded.name = _fill(entry, vary, chosen, expanded, None)
        expanded.value = _fill(value, vary, chosen, expanded, ())
        out.append(expanded)
    return out


def shown(value: Any) -> str:
    """A value of `vary` as a part of a text: a list `[32, 64]` is `32-64`."""
    if isinstance(value, list):
        return "-".join(map(shown, value))
    return value if isinstance(value, str) else format_value(value)


def _fill(
    value: Any, vary: dict[str, list[Any]], chosen: dict[str, int], out: Expanded, path: KeyPath | None
) -> Any:
    if isinstance(value, dict):
        return {key: _fill(below, vary, chosen, out, (*(path or ()), key)) for key, below in value.items()}
    if isinstance(value, list):
        return [_fill(below, vary, chosen, out, (*(path or ()), i)) for i, below in enumerate(value)]
    if not isinstance(value, str) or not _NAME.search(value):
        return value
    whole = _NAME.fullmatch(value)
    if whole and path and not isinstance(vary[whole[1] or whole[2]][chosen[whole[1] or whole[2]]], str):
        name = whole[1] or whole[2]
        out.whole[path] = ("vary", name, chosen[name])
        return vary[name][chosen[name]]
    text, position = "", 0
    pieces: list[Piece] = []
    here: KeyPath = ("layouts", out.entry, *(path or ()))
    for match in _NAME.finditer(value):
        name = match[1] or match[2]
        filled = shown(vary[name][chosen[name]])
        pieces += [
            Piece(match.start() - position, here, position),
            Piece(len(filled), ("vary", name, chosen[name]), 0),
        ]
        text += value[position : match.start()] + filled
        position = match.end()
    pieces.append(Piece(len(value) - position, here, position))
    if path is not None:
        out.pieces[path] = pieces
    return text + value[position:]
