"""The register of parts: a decorated class is a word of the layout language.

A part is registered under a kind and a name. Its constructor says what it needs:

* positional parameters are supplied by the model: `SUPPLIED` says which, for each kind of part,
* keyword-only parameters are the part's *arguments* in the language, with their types and defaults.

So `def __init__(self, dim: int, num_heads: int, *, window: int = 7)` makes `name(window=5)` legal, and
nothing else has to be written for the language, the command line or the documentation. An argument may be a
part itself: annotated `Norm`, `Mixer`, `Mixers`, it is made with `make`. A class may say more about itself:
`family`, `color`, `caveat` (`"reconstruction"`) and `summary_size`; see `Entry`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypeVar

from torch import nn

Kind = Literal["mixer", "block", "stem", "ffn", "norm", "head", "position"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)
SUPPLIED: dict[Kind, tuple[str, ...]] = {
    "mixer": ("dim", "num_heads", "resolution"),
    "block": ("dim", "num_heads", "drop_path", "resolution"),
    "stem": ("in_chans", "dim"),
    "ffn": ("dim", "hidden"),
    "norm": ("dim",),
    "head": ("dim", "classes"),
    "position": ("dim",),
}
"""What the model supplies: channels that enter (`in_chans`) and leave (`dim`), attention heads, the rate of
stochastic depth, the size (H, W) of the map where the part stands, the hidden width of an FFN, classes."""


class Call(Protocol):
    """A part with its arguments, as the language hands it to another part."""

    @property
    def name(self) -> str: ...
    @property
    def kwargs(self) -> dict[str, Any]: ...


Norm: TypeAlias = Annotated[str | Call, "norm"]
Mixer: TypeAlias = Annotated[str | Call, "mixer"]
Mixers: TypeAlias = tuple[Mixer, ...]

_T = TypeVar("_T", bound=type[nn.Module])


@dataclass(frozen=True)
class Argument:
    """One argument of a part in the language: its name, its annotation and its default."""

    name: str
    annotation: Any
    default: Any

    @property
    def type_name(self) -> str:
        """The annotation as text: `int`, `float | None`, `'window' | 'global'`."""
        return _type_name(self.annotation)


def part_kind(annotation: Any) -> Kind | None:
    """`norm` for an argument annotated `Norm`: the kind of part that it is, if it is one."""
    if typing.get_origin(annotation) is Annotated and annotation.__metadata__[0] in KINDS:
        kind: Kind = annotation.__metadata__[0]
        return kind
    return None


def _type_name(annotation: Any) -> str:
    kind, origin, within = part_kind(annotation), typing.get_origin(annotation), typing.get_args(annotation)
    if kind is not None:
        return kind
    if origin is Literal:
        return " | ".join(repr(choice) for choice in within)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_name, within))
    if origin in (tuple, list):
        return f"[{', '.join('...' if item is Ellipsis else _type_name(item) for item in within)}]"
    if annotation in (None, types.NoneType):
        return "none"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@dataclass(frozen=True)
class Entry:
    """One registered part."""

    kind: Kind
    name: str
    cls: type[nn.Module]
    file: Path

    @property
    def summary(self) -> str:
        """The first line of the class's docstring."""
        return (inspect.getdoc(self.cls) or "").partition("\n")[0]

    @property
    @cache  # noqa: B019 (the register keeps every entry)
    def supplied(self) -> tuple[str, ...]:
        """Names of the positional parameters, which the model supplies."""
        return tuple(
            p.name for p in self._parameters() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        )

    @property
    @cache  # noqa: B019 (the register keeps every entry)
    def arguments(self) -> dict[str, Argument]:
        """The keyword-only parameters, which the layout language may set."""
        hints = typing.get_type_hints(self.cls.__init__, include_extras=True)
        return {
            p.name: Argument(p.name, hints.get(p.name, Any), p.default)
            for p in self._parameters()
            if p.kind is p.KEYWORD_ONLY
        }

    @property
    def family(self) -> str:
        """The word that the class groups itself under; its kind where it says none."""
        return str(getattr(self.cls, "family", "") or self.kind)

    @property
    def color(self) -> str | None:
        """The colour that the class asks for in figures, if any."""
        color: str | None = getattr(self.cls, "color", None)
        return color

    @property
    def caveat(self) -> str:
        """What a reader of its results must know; empty for nothing."""
        return str(getattr(self.cls, "caveat", ""))

    def summary_size(self, dim: int, num_heads: int, tokens: int, **arguments: Any) -> int | None:
        """Numbers that it keeps of a map of `tokens` positions, whatever the query; None where unknown."""
        function = getattr(self.cls, "summary_size", None)
        return None if function is None else int(function(dim, num_heads, tokens, **arguments))

    def build(self, supplied: dict[str, Any], arguments: dict[str, Any]) -> nn.Module:
        """The part, from what it names of `supplied` and all `arguments`; calls its own `init_weights()`."""
        given = {name: supplied[name] for name in self.supplied if name in supplied}
        module = self.cls(**given, **arguments)
        if callable(own := getattr(module, "init_weights", None)):
            own()
        return module

    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.cls.__init__).parameters.values())[1:]


class UnknownPartError(KeyError):
    """No part of this kind has this name; `.names` lists those that exist."""

    def __init__(self, kinds: tuple[Kind, ...], name: str, names: tuple[str, ...]):
        super().__init__(f"unknown {' or '.join(kinds)} {name!r}; known: {', '.join(names)}")
        self.name, self.names = name, names

    def __str__(self) -> str:
        return str(self.args[0])


_entries: dict[tuple[Kind, str], Entry] = {}


def register(kind: Kind, name: str) -> Callable[[_T], _T]:
    """Class decorator: make an `nn.Module` a word of the language.

    Raises `ValueError` when the kind is unknown, the name is no identifier, or the name is taken by a class
    of another file.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    if not name.isidentifier():
        raise ValueError(f"{name!r} cannot be a block's name: it must be an identifier")

    def add(cls: _T) -> _T:
        _check_parameters(kind, name, cls)
        file = Path(inspect.getfile(cls)).resolve()
        # mixers and whole blocks are used at the same places, so they share one name space
        for other in ("mixer", "block") if kind in ("mixer", "block") else (kind,):
            taken = _entries.get((other, name))
            if taken is not None and taken.file != file:
                raise ValueError(f"the {other} {name!r} is already defined in {taken.file}")
        _entries[kind, name] = Entry(kind, name, cls, file)
        return cls

    return add


def _check_parameters(kind: Kind, name: str, cls: type[nn.Module]) -> None:
    """Every positional parameter must be one that the model supplies to this kind."""
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if positional and parameter.name not in SUPPLIED[kind]:
            raise ValueError(
                f"{kind} {name!r}: the model supplies {', '.join(SUPPLIED[kind])}, not {parameter.name!r}; "
                "put `*` before it in the constructor to make it an argument of the language"
            )


def make(kind: Kind, part: str | Call | None, **supplied: Any) -> nn.Module:
    """A part that another one takes as an argument: `make("norm", norm, dim=dim)`; None is `none`."""
    part = part or "none"
    name, arguments = (part, {}) if isinstance(part, str) else (part.name, part.kwargs)
    return get(name, kind).build(supplied, arguments)


@cache
def _load_shipped() -> None:
    """Import every module of this package once, so that its parts are registered."""
    package = importlib.import_module(__package__ or "blocks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def load_file(path: Path) -> list[Entry]:
    """Import a user's Python file and return the parts it registers.

    Raises whatever the import raises, and `ValueError` when the file registers nothing. The file is run: it
    must only be called for a file that the user named.
    """
    path = path.resolve()
    name = f"ablate_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        _load_shipped()
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ValueError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    registered = [entry for entry in _entries.values() if entry.file == path]
    if not registered:
        raise ValueError(
            f"{path.name} registers no block; decorate a class with @blocks.register('mixer', NAME)"
        )
    return registered


def names(*kinds: Kind) -> tuple[str, ...]:
    """Names of all registered parts of these kinds, in alphabetical order."""
    _load_shipped()
    return tuple(sorted(name for kind, name in _entries if kind in kinds))


def entries(*kinds: Kind) -> list[Entry]:
    """All registered parts of these kinds, in alphabetical order."""
    _load_shipped()
    return [_entries[key] for key in sorted(_entries, key=lambda key: key[1]) if key[0] in kinds]


def get(name: str, *kinds: Kind) -> Entry:
    """The part of one of these kinds with this name. Raises `UnknownPartError`."""
    _load_shipped()
    for kind in kinds:
        if (kind, name) in _entries:
            return _entries[kind, name]
    raise UnknownPartError(kinds, name, names(*kinds))
