"""The register of measurements: every file of this package, and what a user's own files register."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ablate.errors import AblateError, did_you_mean
from ablate.measurements.base import Measurement
from ablate.quantities import Quantity

AnyMeasurement = Measurement[Any, Any, Any]

_measurements: dict[str, AnyMeasurement] = {}
_PACKAGE = __name__.rpartition(".")[0]
_ORDER = ("complexity", "scaling", "audit", "memory", "throughput", "accuracy")


def register(measurement: AnyMeasurement) -> AnyMeasurement:
    """Make a measurement known, under its name.

    Raises `ValueError` where the name is taken by another module's, or where a quantity's name is.
    """
    taken = {
        word: entry.name
        for entry in _measurements.values()
        if entry.name != measurement.name
        for quantity in entry.quantities
        for word in (quantity.name, *quantity.aliases)
    }
    known = _measurements.get(measurement.name)
    if known is not None and known.runner != measurement.runner:
        raise ValueError(f"the measurement {measurement.name!r} is already made by {known.runner}")
    for quantity in measurement.quantities:
        if quantity.name in taken:
            raise ValueError(f"the quantity {quantity.name!r} is already one of {taken[quantity.name]}")
    named = tuple(
        replace(quantity, kind=measurement.name, column=quantity.column or quantity.name)
        for quantity in measurement.quantities
    )
    _measurements[measurement.name] = replace(measurement, quantities=named)
    return _measurements[measurement.name]


@cache
def _load_shipped() -> None:
    package = import_module(_PACKAGE)
    for module in iter_modules(package.__path__):
        import_module(f"{_PACKAGE}.{module.name}")


def measurements() -> tuple[AnyMeasurement, ...]:
    """All measurements in the order in which they run, whichever was imported first: those of `_ORDER`, then
    the others as they run beside each other, by name."""
    _load_shipped()

    def place(entry: AnyMeasurement) -> tuple[int, int, str]:
        rank = {"counted": 0, "alone": 2, "pool": 3}[entry.where]
        return (_ORDER.index(entry.name) if entry.name in _ORDER else len(_ORDER), rank, entry.name)

    return tuple(sorted(_measurements.values(), key=place))


def measurement(name: str) -> AnyMeasurement:
    """The measurement of this name. Raises `AblateError` that names the nearest one."""
    _load_shipped()
    if name not in _measurements:
        raise AblateError(f"unknown measurement {name!r}{did_you_mean(name, tuple(_measurements))}")
    return _measurements[name]


def is_known(name: str) -> bool:
    """Whether there is a measurement of this name."""
    _load_shipped()
    return name in _measurements


def quantities() -> Iterator[Quantity]:
    """Every quantity of every measurement."""
    for entry in measurements():
        yield from entry.quantities


def quantity(name: str, kind: str | None = None) -> Quantity:
    """The quantity of this name or alias, of one measurement or of any.

    Raises `AblateError` that names the nearest one.
    """
    names: list[str] = []
    for entry in quantities():
        if kind is not None and entry.kind != kind:
            continue
        if name == entry.name or name in entry.aliases:
            return entry
        names += [entry.name, *entry.aliases]
    raise AblateError(f"unknown quantity {name!r}{did_you_mean(name, names)}")
