"""The `measure:` section, built from the register: a key for every measurement, with its settings."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import Field, create_model

from ablate.layout.settings import Model
from ablate.measurements.register import AnyMeasurement, measurements


def measure_model() -> type[Model]:
    """The model of the section as the register stands now: one optional field a measurement."""
    return _model(measurements())


@cache
def _model(known: tuple[AnyMeasurement, ...]) -> type[Model]:
    fields: dict[str, Any] = {
        entry.name: (entry.settings | None, Field(default=None, description=entry.description))
        for entry in known
        if entry.file_section
    }
    return create_model(
        "Measure",
        __base__=Model,
        __doc__="What is measured; a measurement that is left out is not made.",
        **fields,
    )


def settings_of(measure: Model) -> dict[str, Model]:
    """The settings of every measurement that is made, by its name, in the order in which they run.

    A measurement may be asked for by another's settings, as `complexity: {scaling: true}` does.
    """
    given = {
        name: value for name in type(measure).model_fields if (value := getattr(measure, name)) is not None
    }
    asked = {}
    for entry in measurements():
        settings = entry.complete(given.get(entry.name), given)
        if settings is not None:
            asked[entry.name] = settings
    return asked


def with_resolutions(measure: Model, resolution: int) -> Model:
    """The section with measurements that name no resolution at the input's."""
    update = {}
    for name in type(measure).model_fields:
        settings = getattr(measure, name)
        if settings is not None and getattr(settings, "resolutions", None) == ():
            update[name] = settings.model_copy(update={"resolutions": (resolution,)})
    return measure.model_copy(update=update)
