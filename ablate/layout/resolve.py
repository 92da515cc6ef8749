"""Settings to stages: cycles are filled to their depths, lists are checked against each other, heads are
chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ablate.errors import Mistake
from ablate.layout.arguments import check_values, check_word
from ablate.layout.call import BlockCall, Value
from ablate.layout.pattern import Pattern, PatternError, Word, cycle_blocks, parse_call, parse_pattern
from ablate.layout.settings import LayoutSettings

if TYPE_CHECKING:
    from blocks import Kind

DEFAULT_WIDTHS = (64, 128, 320, 512)
DEFAULT_DEPTH = 2
DEFAULT_HEAD_DIM = 32
DEFAULT_MLP_RATIO = 4.0
_CALLS: tuple[tuple[str, Kind, str], ...] = (
    ("stem", "stem", "overlap"),
    ("downsample", "stem", "overlap(stride=2)"),
    ("ffn", "ffn", "mlp"),
    ("norm", "norm", "layer"),
)
_LISTS = ("widths", "depths", "heads", "mlp_ratio")


@dataclass(frozen=True)
class Stage:
    """The blocks at one resolution: `width` channels, `heads` of attention, FFNs of `mlp_ratio * width`."""

    blocks: tuple[BlockCall, ...]
    width: int
    heads: int
    mlp_ratio: float

    @property
    def depth(self) -> int:
        """The number of blocks."""
        return len(self.blocks)


@dataclass
class Resolved:
    """What the settings come to, and what is wrong with them."""

    stages: tuple[Stage, ...] = ()
    calls: dict[str, BlockCall] = field(default_factory=dict)
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
        out.mistakes.append(
            Mistake("`layout` and `stages` say the same thing; give one of them", ("layout",))
        )
    if key == "stages" and settings.depths is not None:
        message = "`stages` spells the depths out; give `depths` with `layout`, not with `stages`"
        out.mistakes.append(Mistake(message, ("depths",), at_key=True))
    words = _parse_calls(settings, out)
    pattern = _parse(text, key, parse_pattern, out)
    if pattern is None:
        return out
    if key == "stages" and pattern.rule:
        message = f"`stages` spells every block out; {pattern.rule}(...) goes with `layout`"
        out.mistakes.append(Mistake(message, ("stages",), pattern.cycles[0][0].offset))
        return out
    count = _stage_count(settings, pattern, key, out)
    if out.mistakes and not count:
        return out
    filled = _fill(settings, pattern, key, count, out)
    if check:
        _check(settings, key, filled, words, out)
    return out


def _parse(text: str, key: str, parse: Callable[[str], Any], out: Resolved) -> Any:
    try:
        return parse(text)
    except PatternError as error:
        out.mistakes.append(Mistake(error.message, (key,), error.offset))
        return None


def _parse_calls(settings: LayoutSettings, out: Resolved) -> dict[str, Word]:
    words = {}
    for key, _, default in _CALLS:
        given = getattr(settings, key)
        word = _parse(default if given is None else given, key, parse_call, out)
        if word is not None:
            words[key] = word
            out.calls[key] = word.call
    return words


def _stage_count(settings: LayoutSettings, pattern: Pattern, key: str, out: Resolved) -> int:
    """The number of stages; 0 when the pattern and the lists disagree."""
    lengths = {
        name: len(value)
        for name in _LISTS
        if isinstance(value := getattr(settings, name), tuple) and not (name == "depths" and key == "stages")
    }
    said = len(pattern.cycles) if key == "stages" else pattern.stages
    mistakes: list[Mistake] = []
    first = next(iter(lengths), None)
    if first is None:
        count = said or len(DEFAULT_WIDTHS)
    else:
        count = lengths[first]
        if said is not None and said != count:
            message = f"the pattern has {_plural(said, 'stage')}, but `{first}` has {_plural(count, 'value')}"
            mistakes.append(Mistake(message, (key,)))
        for name, length in lengths.items():
            if length != count:
                message = f"`{name}` has {_plural(length, 'value')}, but `{first}` has {count}"
                mistakes.append(Mistake(message, (name,)))
    if settings.widths is None and count > len(DEFAULT_WIDTHS):
        mistakes.append(Mistake(f"a layout of {count} stages needs `widths`", (key,)))
    if pattern.graft_from > count:
        message = f"from={pattern.graft_from}, but the layout has {_plural(count, 'stage')}"
        mistakes.append(Mistake(message, (key,), pattern.offset))
    out.mistakes += mistakes
    return 0 if mistakes else count


def _fill(
    settings: LayoutSettings, pattern: Pattern, key: str, count: int, out: Resolved
) -> list[tuple[Word, ...]]:
    """Set `out.stages`; return the words of each stage."""
    widths = _each(settings.widths or DEFAULT_WIDTHS[:count], count)
    ratios = _each(settings.mlp_ratio or DEFAULT_MLP_RATIO, count)
    depths = _each(settings.depths or DEFAULT_DEPTH, count)
    heads = _each(settings.heads, count) if settings.heads is not None else None
    filled, stages = [], []
    for i in range(count):
        cycle = pattern.cycle(i)
        words = cycle if key == "stages" else cycle_blocks(cycle, depths[i])
        if len(words) % len(cycle):
            out.warnings.append(
                f"stage {i + 1}: a pattern of {len(cycle)} blocks does not divide the depth {len(words)}"
            )
        chosen = heads[i] if heads else choose_heads(widths[i], settings.head_dim or DEFAULT_HEAD_DIM)
        if widths[i] % chosen:
            path: tuple[str | int, ...] = ("heads", i) if isinstance(settings.heads, tuple) else ("heads",)
            message = f"{_plural(chosen, 'head')} cannot share the {widths[i]} channels of stage {i + 1}"
            if not any(one.path == path for one in out.mistakes):
                out.mistakes.append(Mistake(message, path))
        filled.append(words if len(words) > len(cycle) else cycle)  # what the depth cuts off is checked too
        stages.append(Stage(tuple(word.call for word in words), widths[i], chosen, float(ratios[i])))
    out.stages = tuple(stages)
    return filled


def _check(
    settings: LayoutSettings, key: str, filled: list[tuple[Word, ...]], words: dict[str, Word], out: Resolved
) -> None:
    """Look every word up, and build every distinct part once on `meta`; a mistake is reported once."""
    found: dict[Mistake, None] = {}
    in_channels = 3
    for stage, blocks in zip(out.stages, filled, strict=True):
        supplied: tuple[tuple[str, Value], ...] = (
            ("dim", stage.width),
            ("num_heads", stage.heads),
            ("drop_path", 0.0),
            ("hidden", int(stage.width * stage.mlp_ratio)),
            ("in_chans", in_channels),
        )
        shared: list[tuple[str, Word, tuple[Kind, ...]]] = [
            (name, words[name], (kind,))
            for name, kind, _ in _CALLS
            if name in words and name != ("downsample" if in_channels == 3 else "stem")
        ]
        shared += [(key, word, ("mixer", "block")) for word in dict.fromkeys(blocks)]
        for name, word, kinds in shared:
            wrong = check_word(word, *kinds)
            if not wrong and not any(mistake.path[:1] == ("heads",) for mistake in out.mistakes):
                wrong = [one for one in [check_values(word, kinds, supplied)] if one is not None]
            found |= dict.fromkeys(one.under(name) for one in wrong)
        in_channels = stage.width
    out.mistakes += found


def _each(value: Any, count: int) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,) * count


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
