"""The register of tables and figures: one file each in `tables/` and `figures/`, or in a user's own file.

A table is a function `Results -> Table | None`, a figure a function `Results -> Drawn | None`; None means
that the study has no data for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeVar

from ablate.report.results import Results
from ablate.report.table import Table

if TYPE_CHECKING:
    from ablate.report.drawing import Drawn

TableMaker = Callable[[Results], "Table | None"]
FigureMaker = Callable[[Results], "Drawn | None"]
T = TypeVar("T", bound=Callable[[Results], object])


@dataclass(frozen=True)
class Entry:
    """A registered table or figure."""

    name: str
    order: float
    make: Callable[[Results], object]


_tables: dict[str, Entry] = {}
_figures: dict[str, Entry] = {}


def table(name: str, order: float = 100.0) -> Callable[[T], T]:
    """Decorator of a function that makes a table; tables stand in ascending order, the main one first."""
    return _adder(_tables, name, order)


def figure(name: str, order: float = 100.0) -> Callable[[T], T]:
    """Decorator of a function that draws a figure; it is called and saved under `style.paper_style()`."""
    return _adder(_figures, name, order)


def _adder(entries: dict[str, Entry], name: str, order: float) -> Callable[[T], T]:
    def add(make: T) -> T:
        entries[name] = Entry(name, order, make)
        return make

    return add


@cache
def _load_shipped(folder: str) -> None:
    package = import_module(f"ablate.report.{folder}")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")


def table_entries() -> list[Entry]:
    """All tables, in their order."""
    _load_shipped("tables")
    return sorted(_tables.values(), key=lambda entry: entry.order)


def figure_entries() -> list[Entry]:
    """All figures, in their order."""
    _load_shipped("figures")
    return sorted(_figures.values(), key=lambda entry: entry.order)
