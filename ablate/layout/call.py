"""`BlockCall`: a block's name with its arguments, the word that layouts are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

_WORD = re.compile(r"[^\W\d][\w-]*")

Value: TypeAlias = "int | float | bool | str | BlockCall | tuple[Value, ...] | None"


def format_value(value: Value) -> str:
    """A value as the language writes it: `true`, `none`, `7`, `3.5`, `decay`, `[1, 11]`, `layer(eps=1e-05)`;
    other text stands in quotes."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(format_value, value))}]"
    if isinstance(value, str) and (not _WORD.fullmatch(value) or value in ("true", "false", "none", "null")):
        return f'"{value}"' if "'" in value else f"'{value}'"
    return str(value)


@dataclass(frozen=True)
class BlockCall:
    """A name and the arguments that were written, sorted by their names: hashable, and equal when they mean
    the same. `recipe` is what stands in braces behind a mixer: how this one is made a block."""

    name: str
    args: tuple[tuple[str, Value], ...] = ()
    recipe: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        for name in ("args", "recipe"):
            pairs = ((key, _frozen(value)) for key, value in getattr(self, name))
            object.__setattr__(self, name, tuple(sorted(pairs, key=lambda pair: pair[0])))

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments as a dictionary."""
        return dict(self.args)

    def plain(self) -> list[Any]:
        """`[name, {argument: value}]` and the recipe, if any, as data that is the same for all spellings."""
        plain = [self.name, {key: _plain(value) for key, value in self.args}]
        return plain + ([{key: _plain(value) for key, value in self.recipe}] if self.recipe else [])

    def __str__(self) -> str:
        args, recipe = (
            ", ".join(f"{key}={format_value(value)}" for key, value in pairs)
            for pairs in (self.args, self.recipe)
        )
        return self.name + (f"({args})" if args else "") + (f"{{{recipe}}}" if recipe else "")


def _frozen(value: Any) -> Value:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _plain(value: Value) -> Any:
    """A float that is whole is written as one, since `expand=2.0` means `expand=2`."""
    if isinstance(value, BlockCall):
        return value.plain()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
