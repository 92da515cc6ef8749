"""A look at the data of a study before anything of it runs: what is wrong with a file is said at once."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from ablate.data.load import inspect
from ablate.data.summary import Summary
from ablate.dotted import load
from ablate.errors import AblateError
from ablate.measurements.register import measurement
from ablate.study.measure import settings_of
from ablate.study.study import Study


def inspect_data(study: Study, kinds: Collection[str] | None = None) -> list[str]:
    """What the files of the study's measurements hold, a line each; of `kinds` alone where they are given.

    Raises `AblateError` for the first file that is missing or broken.
    """
    lines = []
    for name, settings in settings_of(study.measure).items():
        entry = measurement(name)
        if entry.inspect and (kinds is None or name in kinds):
            lines.append(f"{name}: {load(entry.inspect)(settings)}{_unlike(study, settings)}")
    return lines


def _unlike(study: Study, settings: Any) -> str:
    """What is different about the images than the study's input says, which costs are counted for."""
    if not hasattr(settings, "data_dir"):
        return ""
    known = known_summary(settings.dataset, settings.data_dir)
    if known is None:
        return ""
    there = {"classes": known.classes, "channels": known.channels}
    asked = {name: getattr(study.input, name) for name in there}
    other = [f"{count:,} {name}" for name, count in asked.items() if count != there[name]]
    return f"; the study's input has {' and '.join(other)}, which costs are counted for" if other else ""


@cache
def known_summary(dataset: str, data_dir: str | None) -> Summary | None:
    """What a data set holds, looked at once; None where it is not on this machine, or not yet."""
    try:
        return inspect(dataset, data_dir=data_dir)
    except AblateError:
        return None
