"""Checks of a search: its space's lists agree, its patterns are of one stage, its metrics are measured."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ablate.errors import Mistake
from ablate.layout.resolve import resolve
from ablate.layout.settings import LayoutSettings, Model
from ablate.measurements.register import measurement, quantity
from ablate.study.measure import settings_of
from ablate.study.study import Search, Space


def space_mistakes(given: Any, defaults: dict[str, Any], check: bool) -> list[Mistake]:
    """Mistakes in `search: {space: ...}` that its types do not show; `defaults` are the file's valid ones."""
    space = _valid_space(given)
    patterns = given.get("patterns") if isinstance(given, dict) else None
    flat = isinstance(patterns, list) and not any(isinstance(item, list) for item in patterns)
    mistakes = _lengths(space, flat)
    widths = tuple(dict.fromkeys(width for stage in space.widths or () for width in stage)) or 64
    base = {
        key: defaults[key] for key in ("stem", "downsample", "ffn", "norm", "head_dim") if key in defaults
    }
    for i, stage in enumerate(space.patterns or ()):
        for j, text in enumerate(stage):
            path = ("patterns", j) if flat else ("patterns", i, j)
            if text.strip().startswith(("timm:", "graft")) or "|" in text:
                mistakes.append(Mistake("expected a pattern of one stage", path))
                continue
            settings = LayoutSettings.model_validate({**base, "layout": text, "widths": widths, "depths": 1})
            wrong = resolve(settings, check=check).mistakes
            mistakes += [
                Mistake(mistake.message, path, mistake.offset)
                for mistake in wrong
                if mistake.path == ("layout",)
            ]
    return mistakes


def unmeasured_goals(search: Search, measure: Model) -> list[Mistake]:
    """A mistake for each objective and bound on a quantity that the study does not say how to measure."""
    asked = settings_of(measure)
    goals = {
        **{("objectives", i): goal.metric for i, goal in enumerate(search.objectives)},
        **{("constraints", i): bound.metric for i, bound in enumerate(search.constraints)},
    }
    mistakes = []
    for path, name in goals.items():
        section = quantity(name).kind
        if measurement(section).where != "counted" and section not in asked:
            message = f"{name} is not measured; say how under `measure`, `{section}`"
            mistakes.append(Mistake(message, path))
    return mistakes


def _lengths(space: Space, flat: bool) -> list[Mistake]:
    """A mistake for each list whose number of stages is not the first one's."""
    lists = {"depths": space.depths, "widths": space.widths, "patterns": None if flat else space.patterns}
    counts = {name: len(value) for name, value in lists.items() if value is not None}
    first = next(iter(counts), "")
    return [
        Mistake(f"`{name}` has {count} stages, but `{first}` has {counts[first]}", (name,))
        for name, count in counts.items()
        if count != counts[first]
    ]


def _valid_space(given: Any) -> Space:
    """Those parts of a search's space that are valid by themselves."""
    valid: dict[str, Any] = {}
    for key, value in given.items() if isinstance(given, dict) else ():
        try:
            Space.model_validate({key: value})
        except ValidationError:
            continue
        valid[key] = value
    return Space.model_validate(valid)
