"""The words and numbers that a pattern is written with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ablate.layout.sizes import NUMBER, parse_quantity

_TOKENS = re.compile(
    rf"""\s*(?:(?P<number>{NUMBER}[A-Za-z%]*)
           |(?P<name>[^\W\d][\w-]*)
           |(?P<text>'[^']*'|"[^"]*")
           |(?P<mark>[()\[\]{{}}|,=*&]))""",
    re.VERBOSE,
)


class PatternError(ValueError):
    """A mistake in a text of the language; `.offset` is where, in characters from the start of the text."""

    def __init__(self, message: str, offset: int):
        super().__init__(message)
        self.message, self.offset = message, offset


@dataclass(frozen=True)
class Token:
    """A word of a pattern; `offset` counts characters from the start of the text."""

    kind: str  # number, name, text, mark or end
    text: str
    offset: int


def split_tokens(text: str) -> list[Token]:
    """The words of the text, and a last one for its end. Raises `PatternError`."""
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKENS.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            hint = " ($names come from `vary` in a study file)" if text[position] == "$" else ""
            raise PatternError(f"unexpected character {text[position]!r}{hint}", position)
        kind = match.lastgroup or ""
        tokens.append(Token(kind, match[kind], match.start(kind)))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def read_number(text: str) -> int | float:
    """A number or a size. What is written with a point or an exponent is a float, whatever its value."""
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    value = parse_quantity(text)
    return float(value) if re.search(r"[.eE]", text) and not re.search(r"[kKMGT]$", text) else value
