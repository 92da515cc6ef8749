"""The register of image sets: a decorated function is a set that a study may name.

A set is one file, in this package or outside it (a user's own). It names its loader, and says what is known
without loading it:

    @dataset("stripes", flip=False, inspect=summary)
    def stripes(request: Request, *, widths: tuple[int, ...] = (1, 2), size: int = 16) -> Splits:
        '''Stripes of several widths: which way do they run?'''

* The first parameter is a `Request`: where files are, where downloads go, which resolution is wanted.
* Keyword-only parameters are the set's *arguments* in the language, with their types and defaults:
  `stripes(widths=[1, 3], size=32)`. Types: `int`, `float`, `bool`, `str`, `Literal[...]`, `tuple[T, ...]`
  (written as a list), and `| None`. A parameter without a default must be given. The loader raises
  `AblateError` for values that it cannot take.
* `after_colon` names the argument that may stand after a colon: `folder:PATH` is `folder(path=PATH)`.
* `flip` says whether a mirrored image keeps its class.
* `inspect` is called as the loader is, without loading: it gives a `Summary`, or raises `AblateError` with
  what is wrong (missing files, splits that disagree). Without it, the set is loaded to be looked at.

The loader returns `Splits` (`ablate.data.dataset`), and `load` makes the `Dataset` of it: statistics, subset
and resolution are not the loader's business (it may decode straight to `request.resolution`).

* Stored images: `TensorSplit(images, labels)`, or `StreamSplit` where they are decoded while they are read.
* Labels are int64, `(N,)` one an image, or `(N, h, w)` one a token, -100 where there is nothing to answer.
* `groups`, of the labels' shape, sorts the answers by difficulty; `Splits.group_names` names its values.
* A set that is drawn afresh every epoch gives `train=DrawnSplit(draw, size)`, where `draw(generator, number)`
  makes a `TensorSplit` of `number` images from the `torch.Generator` alone, and
  `test=drawn_once(draw, size)`: its images come from a seed that no training uses. Training asks
  `dataset.train.epoch(seed, number)` for the images of every epoch; stored splits give themselves.

A shipped file imports torch inside its functions: a study file is checked without loading it.
"""

from __future__ import annotations

import importlib
import inspect as signatures
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ablate.errors import AblateError, did_you_mean

if TYPE_CHECKING:
    from ablate.data.dataset import Splits
    from ablate.data.summary import Summary

__all__ = ["Argument", "Entry", "Request", "dataset", "entries", "find_entry"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_DECORATED = re.compile(r"^@dataset\(", re.MULTILINE)
_Loader = TypeVar("_Loader", bound="Callable[..., Splits]")


@dataclass(frozen=True)
class Request:
    """What `load` was asked for beside the set's own arguments.

    `data_dir`: where the user keeps files, if anywhere. `cache`: where downloads go. `resolution`: height and
    width in pixels that the images will be brought to, `None` for the set's own.
    """

    data_dir: Path | None = None
    cache: Path = field(default_factory=Path)
    resolution: tuple[int, int] | None = None


@dataclass(frozen=True)
class Argument:
    """One argument of a set in the language: its name, its annotation and its default."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is signatures.Parameter.empty


@dataclass(frozen=True)
class Entry:
    """One registered set."""

    name: str
    loader: Callable[..., Splits]
    flip: bool
    after_colon: str | None
    inspector: Callable[..., Summary] | None
    file: Path

    @property
    def summary(self) -> str:
        """The first line of the loader's docstring."""
        return (signatures.getdoc(self.loader) or "").partition("\n")[0]

    @property
    def arguments(self) -> dict[str, Argument]:
        """The keyword-only parameters of the loader, which the language may set."""
        names = typing.get_type_hints(self.loader, localns=_ONLY_NAMED)
        return {
            parameter.name: Argument(parameter.name, names.get(parameter.name, Any), parameter.default)
            for parameter in signatures.signature(self.loader).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        }


_ONLY_NAMED: dict[str, Any] = {"Splits": Any, "Summary": Any}  # types that a light file only names
_entries: dict[str, Entry] = {}


def dataset(
    name: str,
    *,
    flip: bool,
    after_colon: str | None = None,
    inspect: Callable[..., Summary] | None = None,
) -> Callable[[_Loader], _Loader]:
    """Function decorator: make a loader a set that studies may name; see the module's docstring.

    Raises `ValueError` when the name cannot be one, or is taken by a loader of another file.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a data set's name: small letters, digits, '-' and '_' only")

    def add(loader: _Loader) -> _Loader:
        file = Path(signatures.getfile(loader)).resolve()
        taken = _entries.get(name)
        if taken is not None and taken.file != file:
            raise ValueError(f"the data set {name!r} is already defined in {taken.file}")
        _entries[name] = Entry(name, loader, flip, after_colon, inspect, file)
        return loader

    return add


def entries() -> dict[str, Entry]:
    """All registered sets by name, in the order of their names."""
    _load_shipped()
    return dict(sorted(_entries.items()))


def find_entry(name: str) -> Entry:
    """The set of this name. Raises `AblateError` that names the nearest one."""
    known = entries()
    if name not in known:
        near = did_you_mean(name, tuple(known))
        shown = [f"{known[word].name}:{known[word].after_colon}" for word in known if known[word].after_colon]
        also = f", {', '.join(shown)}" if near.startswith("; known") else ""
        raise AblateError(f"unknown dataset {name!r}{near}{also}")
    return known[name]


@cache
def _load_shipped() -> None:
    """Import the files of this package that register a set, and no others: those need torch."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if _DECORATED.search(file.read_text(encoding="utf-8")):
            importlib.import_module(f"ablate.data.{file.stem}")
