"""Settings to stages: cycles are filled to their depths, lists are checked against each other, heads are
chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ablate.errors import Mistake
from ablate.layout.call import BlockCall
from ablate.layout.check import Chain, Path, Use, check_definitions, check_layout
from ablate.layout.pattern import (
    Pattern,
    PatternError,
    Word,
    cycle_blocks,
    parse_call,
    parse_chain,
    parse_pattern,
)
from ablate.layout.recipe import PARTS, Recipe, Stage, check_recipe
from ablate.layout.settings import LayoutSettings

__all__ = [
    "DEFAULT_DEPTH",
    "DEFAULT_HEAD_DIM",
    "DEFAULT_WIDTHS",
    "Resolved",
    "Stage",
    "choose_heads",
    "resolve",
]

DEFAULT_WIDTHS = (64, 128, 320, 512)
DEFAULT_DEPTH = 2
DEFAULT_HEAD_DIM = 32
_DEFAULT_TEXTS = {
    "stem": "overlap",
    "downsample": "overlap(stride=2)",
    "ffn": "mlp",
    "norm": "layer",
    "position": "none",
    "head": "norm_pool",
}
_SCALARS = ("mlp_ratio", "norm_place", "layer_scale", "res_scale", "recipe")
_LISTS = ("widths", "depths", "heads", "head_dim", "ffn", "norm", "position", *_SCALARS)
_IMAGE = 3  # channels that stems are checked with; any will do


@dataclass
class Resolved:
    """What the settings come to, and what is wrong with them."""

    stages: tuple[Stage, ...] = ()
    head: tuple[BlockCall, ...] = ()
    warnings: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


def choose_heads(width: int, head_dim: int) -> int:
    """The divisor of the width nearest, in ratio, to `width / head_dim`; two at least where the width allows
    it."""
    divisors = [d for d in range(1, width + 1) if width % d == 0 and (d > 1 or width == 1)]
    return min(divisors, key=lambda d: (max(d * head_dim / width, width / (d * head_dim)), d))


def resolve(settings: LayoutSettings, *, check: bool = True) -> Resolved:
    """Resolve one layout; mistakes are collected, never raised. Without `check`, words are not looked up (no
    torch)."""
    out = Resolved()
    key = "stages" if settings.stages is not None else "layout"
    text = getattr(settings, key)
    if text is None:
        out.mistakes.append(Mistake("a layout needs `layout` or `stages`"))
        return out
    if settings.stages is not None and settings.layout is not None:
        message = "`layout` and `stages` say the same thing; give one of them"
        out.mistakes.append(Mistake(message, ("layout",)))
    if key == "stages" and settings.depths is not None:
        message = "`stages` spells the depths out; give `depths` with `layout`, not with `stages`"
        out.mistakes.append(Mistake(message, ("depths",), at_key=True))
    define = read_definitions(settings.define or {}, out.mistakes)
    pattern = _parse(text, (key,), lambda given: parse_pattern(given, define), out)
    written = _Written(settings, out)
    if pattern is None:
        return out
    if key == "stages" and pattern.rule:
        message = f"`stages` spells every block out; {pattern.rule}(...) goes with `layout`"
        out.mistakes.append(Mistake(message, ("stages",), pattern.cycles[0][0].offset))
        return out
    count = _stage_count(settings, pattern, key, out)
    if not count:
        return out
    uses = _fill(settings, pattern, key, count, written, out)
    if check:
        heads_wrong = any(mistake.path[:1] == ("heads",) for mistake in out.mistakes)
        out.mistakes += [mistake.under("define") for mistake in check_definitions(define)]
        if not heads_wrong and len(out.stages) == count:
            chains = written.chains(out.stages)
            out.mistakes += check_layout(out.stages, uses, written.uses(count), chains)
    else:
        for use in uses:
            wrong = check_recipe(use.word, look_up=False)
            out.mistakes += [item for item in (m.under(*use.path) for m in wrong) if item not in out.mistakes]
    return out


def _parse(text: str, path: Path, parse: Callable[[str], Any], out: Resolved) -> Any:
    try:
        return parse(text)
    except PatternError as error:
        out.mistakes.append(Mistake(error.message, path, error.offset))
        return None


def read_definitions(
    texts: Mapping[str, str], mistakes: list[Mistake] | None = None
) -> dict[str, tuple[Word, ...]]:
    """The words of `define`; each may use those before it. Mistakes are added to the list."""
    define: dict[str, tuple[Word, ...]] = {}
    faults = [] if mistakes is None else mistakes
    for name, text in texts.items():
        if not name.isidentifier():
            message = f"{name!r} cannot be the name of a definition: letters, digits and '_' only"
            faults.append(Mistake(message, ("define", name), at_key=True))
            continue
        try:
            define[name] = parse_chain(text, define)
        except PatternError as error:
            faults.append(Mistake(error.message, ("define", name), error.offset))
    return define


def definition_mistakes(texts: Mapping[str, str], *, check: bool = True) -> list[Mistake]:
    """All that is wrong with definitions by themselves; with `check` their words are looked up."""
    mistakes: list[Mistake] = []
    define = read_definitions(texts, mistakes)
    return mistakes + ([mistake.under("define") for mistake in check_definitions(define)] if check else [])


# The layouts of a study have few stems, heads and parts between them.
_pieces: Callable[[str], Any] = lru_cache(4096)(parse_chain)
_part: Callable[[str], Any] = lru_cache(4096)(parse_call)


class _Written:
    """The settings that are texts, parsed: pieces of stem, downsamplings and head, parts of the recipes."""

    def __init__(self, settings: LayoutSettings, out: Resolved):
        self.settings = settings
        self.chain_words = {key: self._words(key, _pieces, out) for key in ("stem", "downsample", "head")}
        self.part_words = {key: self._words(key, _part, out) for key in PARTS}

    def _words(self, key: str, parse: Callable[[str], Any], out: Resolved) -> list[tuple[Path, Any]]:
        given = getattr(self.settings, key)
        if isinstance(given, tuple):
            texts: list[tuple[Path, str]] = [((key, i), text) for i, text in enumerate(given)]
        else:
            texts = [((key,), _DEFAULT_TEXTS[key] if given is None else given)]
        return [(path, _parse(text, path, parse, out)) for path, text in texts]

    def part(self, key: str, stage: int) -> BlockCall:
        """The FFN, norm or position of a stage."""
        words = self.part_words[key]
        word = words[stage if len(words) > 1 else 0][1]
        return BlockCall("none") if word is None else word.call

    def chain(self, key: str, index: int = 0) -> tuple[Path, tuple[Word, ...]]:
        """The pieces of the stem, of the head, or of a downsampling."""
        words = self.chain_words[key]
        path, pieces = words[index if len(words) > 1 else 0]
        return path, pieces or ()

    def before(self, stage: int) -> tuple[BlockCall, ...]:
        """The pieces that lead to a stage."""
        _, words = self.chain("downsample", stage - 1) if stage else self.chain("stem")
        return tuple(word.call for word in words)

    def uses(self, count: int) -> dict[str, list[Use]]:
        """Every part of a recipe, where it is used."""
        return {
            key: [
                Use(path, word, stage)
                for stage in range(count)
                for path, word in [words[stage if len(words) > 1 else 0]]
                if word is not None
            ]
            for key, words in self.part_words.items()
        }

    def chains(self, stages: Sequence[Stage]) -> list[Chain]:
        """Stem, downsamplings and head with their channels."""
        chains, dim = [], _IMAGE
        for number, stage in enumerate(stages):
            path, words = self.chain("downsample", number - 1) if number else self.chain("stem")
            chains.append(Chain(path, words, dim, stage.width))
            dim = stage.width
        path, words = self.chain("head")
        return [chain for chain in (*chains, Chain(path, words, dim, 0, head=True)) if chain.words]


def _stage_count(settings: LayoutSettings, pattern: Pattern, key: str, out: Resolved) -> int:
    """The number of stages; 0 when the pattern and the lists disagree."""
    lengths = {
        name: len(value)
        for name in _LISTS
        if isinstance(value := getattr(settings, name), tuple) and not (name == "depths" and key == "stages")
    }
    declared = len(pattern.cycles) if key == "stages" else pattern.stages
    mistakes: list[Mistake] = []
    first = next(iter(lengths), None)
    if first is None:
        between = settings.downsample if isinstance(settings.downsample, tuple) else None
        count = declared or (len(DEFAULT_WIDTHS) if between is None else len(between) + 1)
    else:
        count = lengths[first]
        if declared is not None and declared != count:
            message = (
                f"the pattern has {_plural(declared, 'stage')}, but `{first}` has {_plural(count, 'value')}"
            )
            mistakes.append(Mistake(message, (key,)))
        for name, length in lengths.items():
            if length != count:
                message = f"`{name}` has {_plural(length, 'value')}, but `{first}` has {count}"
                mistakes.append(Mistake(message, (name,)))
    if isinstance(settings.downsample, tuple) and len(settings.downsample) != count - 1:
        message = (
            f"`downsample` has {_plural(len(settings.downsample), 'value')}, but {count - 1} lie between "
            f"{_plural(count, 'stage')}"
        )
        mistakes.append(Mistake(message, ("downsample",)))
    if settings.widths is None and count > len(DEFAULT_WIDTHS):
        mistakes.append(Mistake(f"a layout of {count} stages needs `widths`", (key,)))
    if pattern.graft_from > count:
        message = f"from={pattern.graft_from}, but the layout has {_plural(count, 'stage')}"
        mistakes.append(Mistake(message, (key,), pattern.offset))
    out.mistakes += mistakes
    return 0 if mistakes else count


def _fill(
    settings: LayoutSettings, pattern: Pattern, key: str, count: int, written: _Written, out: Resolved
) -> list[Use]:
    """Set `out.stages` and `out.head`; return the words of the stages."""
    widths = _each(settings.widths or DEFAULT_WIDTHS[:count], count)
    depths = _each(settings.depths or DEFAULT_DEPTH, count)
    heads = _each(settings.heads, count) if settings.heads is not None else None
    head_dims = _each(settings.head_dim or DEFAULT_HEAD_DIM, count)
    uses, stages = [], []
    for i in range(count):
        cycle = pattern.cycle(i)
        words = cycle if key == "stages" else cycle_blocks(cycle, depths[i])
        if len(words) % len(cycle):
            out.warnings.append(
                f"stage {i + 1}: a pattern of {len(cycle)} blocks does not divide the depth {len(words)}"
            )
        chosen = heads[i] if heads else choose_heads(widths[i], head_dims[i])
        if widths[i] % chosen:
            path: Path = ("heads", i) if isinstance(settings.heads, tuple) else ("heads",)
            message = f"{_plural(chosen, 'head')} cannot share the {widths[i]} channels of stage {i + 1}"
            if not any(mistake.path == path for mistake in out.mistakes):
                out.mistakes.append(Mistake(message, path))
        # what the depth cuts off is checked too
        for word in dict.fromkeys(words if len(words) > len(cycle) else cycle):
            uses.append(Use((key,), word, i))
        calls = tuple(word.call for word in words)
        stages.append(Stage(calls, widths[i], chosen, _recipe(settings, written, i), written.before(i)))
    out.stages = tuple(stages)
    out.head = tuple(word.call for word in written.chain("head")[1])
    return uses


def _recipe(settings: LayoutSettings, written: _Written, stage: int) -> Recipe:
    given: dict[str, Any] = {}
    for name in _SCALARS:
        value = getattr(settings, name)
        value = value[stage] if isinstance(value, tuple) else value
        if value is not None:
            given[name] = float(value) if isinstance(value, int | float) else value
    given |= {key: written.part(key, stage) for key in PARTS}
    return Recipe(**given)


def _each(value: Any, count: int) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,) * count


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
