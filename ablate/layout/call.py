"""`BlockCall`: a block's name with its arguments, the word that layouts are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_WORD = re.compile(r"[^\W\d][\w-]*")

Value: TypeAlias = int | float | bool | str | None


def format_value(value: Value) -> str:
    """A value as the language writes it: `true`, `none`, `7`, `3.5`, `decay`; other text stands in quotes."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str) and (not _WORD.fullmatch(value) or value in ("true", "false", "none", "null")):
        return f'"{value}"' if "'" in value else f"'{value}'"
    return str(value)


@dataclass(frozen=True)
class BlockCall:
    """A name and the arguments that were written, sorted by their names: hashable, and equal when they mean
    the same."""

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
        return f"{self.name}({', '.join(f'{key}={format_value(value)}' for key, value in self.args)})"
