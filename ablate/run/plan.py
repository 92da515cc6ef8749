"""Study -> cells: everything that will be measured is planned before anything runs."""

from __future__ import annotations

from dataclasses import replace

from ablate.errors import AblateError
from ablate.measurements.base import Scope
from ablate.measurements.register import measurement
from ablate.run.keys import cell_ingredients, condition_key
from ablate.run.records import Cell, digest, plain
from ablate.study.measure import settings_of
from ablate.study.study import Study

MOST_CELLS = 200_000


def plan(study: Study) -> list[Cell]:
    """All cells of a study, measurement by measurement in the order in which they run.

    Cells of one condition follow one another. Raises `AblateError` for a device that is not on this machine,
    for more cells than a study may have, and for two conditions that are written alike, whose cells would
    have one key.
    """
    whole = Scope(study.input, tuple(study.layouts), study.baseline)
    planned = []
    total = 0
    for name, settings in settings_of(study.measure).items():
        entry = measurement(name)
        for condition in entry.conditions(settings, whole):
            names = tuple(name for name in whole.layouts if entry.applies(condition, name))
            total += len(names)
            if total > MOST_CELLS:
                raise AblateError(
                    f"the study has more than {MOST_CELLS:,} cells: {len(whole.layouts):,} layouts under too "
                    "many conditions; measure fewer resolutions or seeds"
                )
            planned.append((entry, condition, replace(whole, layouts=names)))
    cells: list[Cell] = []
    known: set[tuple[str, str]] = set()
    for entry, condition, scope in planned:
        shared, asked = condition_key(entry, condition), plain(condition)
        if (written := (entry.name, digest(asked))) in known:
            raise AblateError(f"{entry.name}: two of its conditions are alike: {str(asked)[:200]}")
        known.add(written)
        for layout in scope.layouts:
            made_of = cell_ingredients(study, entry, layout, shared)
            place = digest([layout, entry.name, asked])
            cells.append(Cell(layout, entry.name, condition, digest(made_of), place, made_of))
    return cells
