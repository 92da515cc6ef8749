"""The space of a search: which parameters there are, and the layout that a choice of them stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from ablate.errors import LayoutError, Problem
from ablate.layout.layout import Layout
from ablate.layout.pattern import cycle_blocks, parse_pattern
from ablate.layout.resolve import DEFAULT_DEPTH, DEFAULT_WIDTHS
from ablate.study.study import Study

Choice: TypeAlias = int | str
Params: TypeAlias = Mapping[str, Choice]


@dataclass(frozen=True)
class SearchSpace:
    """Parameters with their choices: `depth1`, `width1`, `pattern1`, `depth2`, ... and `layout`.

    Stages count from 1. Patterns are chosen for each stage when the file gives `patterns`; otherwise `layout`
    is one of the study's layouts, whose depths and widths are changed.
    """

    choices: Mapping[str, tuple[Choice, ...]]
    stages: int
    settings: Mapping[str, Any]  # of every layout, from the study's defaults
    layouts: Mapping[str, Layout]

    @classmethod
    def of(cls, study: Study) -> SearchSpace:
        """The space of a study. Raises `LayoutError` when stages disagree or a choice gives no layout."""
        assert study.search is not None
        space = study.search.space
        settings = study.defaults.model_dump(exclude_none=True)
        layouts = {name: layout for name, layout in study.layouts.items() if isinstance(layout, Layout)}
        rows = {"depths": space.depths, "widths": space.widths, "patterns": space.patterns}
        stages = _stages(rows, settings, layouts)
        choices: dict[str, tuple[Choice, ...]] = {}
        if space.patterns is None:
            choices["layout"] = tuple(layouts)
            if not choices["layout"]:
                raise _error("give `patterns` to choose from, or `layouts` to change", "search.space")
        for i in range(stages):
            if space.depths is not None:
                low, high = space.depths[i]
                choices[f"depth{i + 1}"] = tuple(range(low, high + 1))
            if space.widths is not None:
                choices[f"width{i + 1}"] = space.widths[i]
            if space.patterns is not None:
                texts = space.patterns[i if len(space.patterns) > 1 else 0]
                choices[f"pattern{i + 1}"] = tuple(dict.fromkeys(map(_plain_pattern, texts)))
        found = cls(choices, stages, settings, layouts)
        for _ in found.samples():
            pass
        return found

    @property
    def size(self) -> int:
        """How many choices there are. Some may stand for the same network."""
        return math.prod(len(values) for values in self.choices.values())

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The choices as Optuna takes them: evenly spaced numbers keep their order, others are categories."""
        return {name: _distribution(values) for name, values in self.choices.items()}

    def layout(self, params: Params, name: str | None = None, *, check: bool = False) -> Layout:
        """The layout of one choice of every parameter. Raises `LayoutError` when it cannot be."""
        depths = self._each("depth", params)
        widths = self._each("width", params)
        if "layout" in params:
            changed: dict[str, Any] = {"name": name}
            if depths is not None:
                changed["depths"] = depths
            if widths is not None:
                changed["widths"] = widths
            return self.layouts[str(params["layout"])].replace(**changed, check=check)
        settings: dict[str, Any] = dict(self.settings)
        settings["widths"] = widths or settings.get("widths") or DEFAULT_WIDTHS[: self.stages]
        settings["depths"] = depths or _per_stage(settings.get("depths", DEFAULT_DEPTH), self.stages)
        text = " | ".join(
            _cut(str(params[f"pattern{i + 1}"]), settings["depths"][i]) for i in range(self.stages)
        )
        return Layout(text, name=name, **settings, check=check)

    def all_params(self) -> list[dict[str, Choice]]:
        """Every choice there is; only for small spaces."""
        names = list(self.choices)
        return [dict(zip(names, values, strict=True)) for values in product(*self.choices.values())]

    def _each(self, kind: str, params: Params) -> list[int] | None:
        found = [int(params[f"{kind}{i + 1}"]) for i in range(self.stages) if f"{kind}{i + 1}" in params]
        return found or None

    def samples(self) -> Iterator[Layout]:
        """Layouts that between them have every pattern (or layout) at every width, stage by stage, checked.

        Raises `LayoutError` for a choice that gives no layout.
        """
        kinds = {name: name.rstrip("0123456789") for name in self.choices}
        most = dict.fromkeys(("depth", "width", "pattern", "layout"), 1)
        for name, values in self.choices.items():
            most[kinds[name]] = max(most[kinds[name]], len(values))
        for word, width in product(range(max(most["pattern"], most["layout"])), range(most["width"])):
            at = {"depth": most["depth"], "width": width, "pattern": word, "layout": word}
            params = {
                name: values[min(at[kinds[name]], len(values) - 1)] for name, values in self.choices.items()
            }
            try:
                yield self.layout(params, f"sample-{word}-{width}", check=True)
            except LayoutError as error:
                said = ", ".join(f"{key}={value}" for key, value in params.items())
                raise LayoutError(
                    Problem(f"{problem.message} (with {said})", "search.space") for problem in error.problems
                ) from None


def _stages(
    rows: Mapping[str, Sequence[Any] | None], settings: Mapping[str, Any], layouts: Mapping[str, Layout]
) -> int:
    """The number of stages that all lists of the space, and of the defaults, agree on."""
    lengths = {f"search.space.{key}": len(value) for key, value in rows.items() if value is not None}
    if lengths.get("search.space.patterns") == 1:  # one list for all stages
        del lengths["search.space.patterns"]
    lengths |= {f"defaults.{key}": len(value) for key, value in settings.items() if isinstance(value, tuple)}
    if rows["patterns"] is None:
        lengths |= {f"layouts.{name}": len(one.stages) for name, one in layouts.items()}
    first = next(iter(lengths), None)
    if first is None:
        return len(DEFAULT_WIDTHS)
    for name, length in lengths.items():
        if length != lengths[first]:
            raise _error(f"{length} stages, but {first} has {lengths[first]}", name)
    return lengths[first]


def _distribution(values: tuple[Choice, ...]) -> BaseDistribution:
    numbers = sorted(value for value in values if isinstance(value, int))
    steps = {b - a for a, b in pairwise(numbers)}
    if len(numbers) == len(values) and len(steps) == 1:
        return IntDistribution(numbers[0], numbers[-1], step=steps.pop())
    return CategoricalDistribution(values)


def _plain_pattern(text: str) -> str:
    """The cycle of one stage with its brackets and repetitions written out."""
    return " ".join(str(word.call) for word in parse_pattern(text).cycle(0))


def _cut(pattern: str, depth: int) -> str:
    """A cycle that is longer than the stage, cut off at its depth."""
    cycle = parse_pattern(pattern).cycle(0)
    return " ".join(str(word.call) for word in (cycle if len(cycle) <= depth else cycle_blocks(cycle, depth)))


def _per_stage(value: int | Sequence[int], stages: int) -> Sequence[int]:
    return (value,) * stages if isinstance(value, int) else value


def _error(message: str, place: str) -> LayoutError:
    return LayoutError(Problem(message, place))
