"""The space of a search: which parameters there are, and the layout that a choice of them stands for."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from ablate.errors import LayoutError, Problem
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.pattern import cycle_blocks, parse_call, parse_pattern
from ablate.layout.resolve import DEFAULT_DEPTH, DEFAULT_WIDTHS
from ablate.study.search import Plain
from ablate.study.space import PARTS, with_argument
from ablate.study.study import Study

Choice: TypeAlias = Plain
Params: TypeAlias = Mapping[str, Choice]

_SAMPLES = 200


@dataclass(frozen=True)
class SearchSpace:
    """Parameters with their choices: `depth1`, `width1`, `pattern1`, ..., `ffn`, `conv.expand`, `layout`.

    Stages count from 1. Patterns are chosen for each stage when the file gives `patterns`; otherwise `layout`
    is one of the study's layouts, whose other settings are changed.
    """

    choices: Mapping[str, tuple[Choice, ...]]
    stages: int
    settings: Mapping[str, Any]  # of every layout, from the study's defaults
    layouts: Mapping[str, Layout]
    meant: Mapping[str, Any] = field(default_factory=dict)  # what the words of `mlp_ratio` stand for

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
                choices[f"depth{i + 1}"] = space.depths[i]
            if space.widths is not None:
                choices[f"width{i + 1}"] = space.widths[i]
            if space.patterns is not None:
                texts = space.patterns[i if len(space.patterns) > 1 else 0]
                choices[f"pattern{i + 1}"] = tuple(dict.fromkeys(map(_plain_pattern, texts)))
        for key in (*PARTS, "head_dim"):
            if getattr(space, key) is not None:
                choices[key] = getattr(space, key)
        meant = {_word(ratio): ratio for ratio in space.mlp_ratio or ()}
        if meant:
            choices["mlp_ratio"] = tuple(meant)
        for name, arguments in space.arguments.items():
            choices |= {f"{name}.{argument}": values for argument, values in arguments.items()}
        made = cls(choices, stages, settings, layouts, meant)
        for _ in made.samples():
            pass
        return made

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
        changed: dict[str, Any] = {
            key: values
            for key, kind in (("depths", "depth"), ("widths", "width"))
            if (values := self._staged(kind, params)) is not None
        }
        changed |= {key: params[key] for key in ("head_dim",) if key in params}
        if "mlp_ratio" in params:
            changed["mlp_ratio"] = self.meant[str(params["mlp_ratio"])]
        if "layout" in params:
            return self._changed(self.layouts[str(params["layout"])], params, changed, name, check)
        settings = {**self.settings, **self._parts(params, self.settings), **changed}
        settings["widths"] = settings.get("widths") or DEFAULT_WIDTHS[: self.stages]
        settings["depths"] = _per_stage(settings.get("depths", DEFAULT_DEPTH), self.stages)
        text = " | ".join(
            self._cycle(str(params[f"pattern{i + 1}"]), params, settings["depths"][i])
            for i in range(self.stages)
        )
        return Layout(text, name=name, **settings, check=check)

    def all_params(self) -> list[dict[str, Choice]]:
        """Every choice there is; only for small spaces."""
        names = list(self.choices)
        return [dict(zip(names, values, strict=True)) for values in product(*self.choices.values())]

    def drawn(self, rng: random.Random) -> dict[str, Choice]:
        """One choice of every parameter, each value as likely as the others."""
        return {name: rng.choice(values) for name, values in self.choices.items()}

    def samples(self) -> Iterator[Layout]:
        """Layouts that between them have every choice of every parameter, and every pattern (or layout) at
        every width, checked.

        Raises `LayoutError` for a choice that gives no layout.
        """
        kinds = {name: name.rstrip("0123456789") for name in self.choices}
        most: dict[str, int] = {}
        for name, values in self.choices.items():
            most[kinds[name]] = max(most.get(kinds[name], 1), len(values))
        deepest = most.get("depth", 1)
        words = max(most.get("pattern", 1), most.get("layout", 1))
        rest = [name for name in self.choices if kinds[name] not in ("depth", "width", "pattern", "layout")]
        places = list(product(range(words), range(most.get("width", 1))))
        turns = [(word, width, 0) for word, width in places]
        turns += [(i % words, 0, i) for i in range(1, max((most[kinds[name]] for name in rest), default=1))]
        for word, width, other in turns[: _SAMPLES * words]:
            at = {"depth": deepest, "width": width, "pattern": word, "layout": word}
            params = {
                name: values[min(at.get(kinds[name], other), len(values) - 1)]
                for name, values in self.choices.items()
            }
            try:
                yield self.layout(params, f"sample-{word}-{width}-{other}", check=True)
            except LayoutError as error:
                point = ", ".join(f"{key}={value}" for key, value in params.items())
                raise LayoutError(
                    Problem(f"{problem.message} (with {point})", "search.space") for problem in error.problems
                ) from None

    def _staged(self, kind: str, params: Params) -> list[int] | None:
        names = [f"{kind}{i + 1}" for i in range(self.stages) if f"{kind}{i + 1}" in params]
        return [int(str(params[name])) for name in names] or None

    def _parts(self, params: Params, given: Mapping[str, Any]) -> dict[str, str]:
        """Stem, downsampling, FFN and norm as chosen, with their chosen arguments where they take them."""
        texts = {}
        for key in PARTS:
            text = params.get(key, given.get(key))
            arguments = _arguments_of(key, params)
            if text is None and not arguments:
                continue
            call = parse_call(str(text if text is not None else _usual(key))).call
            for argument, value in arguments.items():
                call = _taking(call, key, argument, value)
            texts[key] = str(call)
        return texts

    def _cycle(self, pattern: str, params: Params, depth: int) -> str:
        """A stage's cycle with the chosen arguments, cut off at the depth where it is longer."""
        cycle = parse_pattern(pattern).cycle(0)
        words = cycle if len(cycle) <= depth else cycle_blocks(cycle, depth)
        return " ".join(str(_with_choices(word.call, params)) for word in words)

    def _changed(
        self, base: Layout, params: Params, changed: dict[str, Any], name: str | None, check: bool
    ) -> Layout:
        """One of the study's layouts with the chosen settings and arguments."""
        given = base.settings.model_dump(exclude_none=True)
        changed |= self._parts(params, given)
        written = "stages" if base.settings.stages is not None else "layout"
        pattern = parse_pattern(str(given[written]))
        cycles = [
            [_with_choices(word.call, params) for word in pattern.cycle(i)] for i in range(len(base.stages))
        ]
        as_written = [[word.call for word in pattern.cycle(i)] for i in range(len(base.stages))]
        if cycles != as_written:
            text = " | ".join(" ".join(map(str, cycle)) for cycle in cycles)
            changed["stages" if written == "stages" else "text"] = text
        return base.replace(name=name, **changed, check=check)


def _arguments_of(name: str, params: Params) -> dict[str, Choice]:
    """The chosen arguments of a block, or of a part by its role."""
    start = f"{name}."
    return {key.removeprefix(start): value for key, value in params.items() if key.startswith(start)}


def _with_choices(call: BlockCall, params: Params) -> BlockCall:
    for argument, value in _arguments_of(call.name, params).items():
        call = with_argument(call, argument, value)
    return call


def _taking(call: BlockCall, kind: Any, argument: str, value: Choice) -> BlockCall:
    """The call with an argument, where the part of this name takes one of it."""
    from ablate.layout.arguments import find_part

    return with_argument(call, argument, value) if argument in find_part(call.name, kind).arguments else call


def _usual(key: str) -> str:
    return {"stem": "overlap", "downsample": "overlap(stride=2)", "ffn": "mlp", "norm": "layer"}[key]


def _word(value: Any) -> str:
    """A number, or one for each stage, as a word that Optuna can keep."""
    return " ".join(f"{item:g}" for item in (value if isinstance(value, tuple) else (value,)))


def _stages(
    rows: Mapping[str, Sequence[Any] | None], settings: Mapping[str, Any], layouts: Mapping[str, Layout]
) -> int:
    """The number of stages that all lists of the space, and of the defaults, agree on."""
    lengths = {f"search.space.{key}": len(value) for key, value in rows.items() if value is not None}
    if lengths.get("search.space.patterns") == 1:  # one list for all stages
        del lengths["search.space.patterns"]
    lengths |= {f"defaults.{key}": len(value) for key, value in settings.items() if isinstance(value, tuple)}
    if rows["patterns"] is None:
        lengths |= {f"layouts.{name}": len(network.stages) for name, network in layouts.items()}
    first = next(iter(lengths), None)
    if first is None:
        return len(DEFAULT_WIDTHS)
    for name, length in lengths.items():
        if length != lengths[first]:
            raise _error(f"{length} stages, but {first} has {lengths[first]}", name)
    return lengths[first]


def _distribution(values: tuple[Choice, ...]) -> BaseDistribution:
    numbers = sorted(value for value in values if isinstance(value, int) and not isinstance(value, bool))
    steps = {b - a for a, b in pairwise(numbers)}
    if len(numbers) == len(values) and len(steps) == 1:
        return IntDistribution(numbers[0], numbers[-1], step=steps.pop())
    return CategoricalDistribution(values)


def _plain_pattern(text: str) -> str:
    """The cycle of one stage with its brackets and repetitions written out."""
    return " ".join(str(word.call) for word in parse_pattern(text).cycle(0))


def _per_stage(value: int | Sequence[int], stages: int) -> Sequence[int]:
    return (value,) * stages if isinstance(value, int) else value


def _error(message: str, place: str) -> LayoutError:
    return LayoutError(Problem(message, place))
