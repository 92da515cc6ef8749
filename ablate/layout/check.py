"""Look every word of a layout up, and build every distinct part on `meta`: a mistake is reported once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ablate.errors import Mistake
from ablate.layout.arguments import WIDTH, check_values, check_word, find_part, kind_within
from ablate.layout.call import BlockCall, Value
from ablate.layout.recipe import PARTS, Stage, check_recipe, kind_of, refuse_recipe
from ablate.layout.words import Word

if TYPE_CHECKING:
    from blocks import Kind

Path = tuple[str | int, ...]
_CLASSES, _SIDE = 1000, 56  # any will do where the layout does not say


@dataclass(frozen=True)
class Use:
    """A word where it is used: where it was written, and the number of its stage (from 0)."""

    path: Path
    word: Word
    stage: int


@dataclass(frozen=True)
class Chain:
    """A stem, a downsampling or a head: pieces in a row, from `in_dim` channels to `dim` of them."""

    path: Path
    words: tuple[Word, ...]
    in_dim: int
    dim: int  # classes, of a head
    head: bool = False


def check_layout(
    stages: Sequence[Stage], blocks: Sequence[Use], parts: dict[str, list[Use]], chains: Sequence[Chain]
) -> list[Mistake]:
    """All mistakes in the words of a layout; `parts` are the FFNs, norms and positions of its stages."""
    mistakes: dict[Mistake, None] = {}
    for chain in chains:
        mistakes |= dict.fromkeys(mistake.under(*chain.path) for mistake in _check_chain(chain))
    for key, uses in parts.items():
        for use in uses:
            wrong = _check_part(use.word, PARTS[key], stages[use.stage])
            mistakes |= dict.fromkeys(mistake.under(*use.path) for mistake in wrong)
    for use in blocks:
        stage = stages[use.stage]
        wrong = _check_block(use.word, stage)
        mistakes |= dict.fromkeys(mistake.under(*use.path) for mistake in wrong)
    return list(mistakes)


def _supplied(stage: Stage, mlp_ratio: float) -> tuple[tuple[str, Value], ...]:
    return (
        ("dim", stage.width),
        ("num_heads", stage.heads),
        ("drop_path", 0.0),
        ("hidden", max(1, round(stage.width * mlp_ratio))),
        ("resolution", (_SIDE, _SIDE)),
    )


def _check_block(word: Word, stage: Stage) -> list[Mistake]:
    wrong = [] if word.defined else check_word(word, "mixer", "block") + check_recipe(word)
    if wrong or (word.defined and (check_word(word, "mixer", "block") or check_recipe(word))):
        return wrong  # a definition is checked where it stands
    if word.recipe is not None and kind_of(word.call) == "block":
        return [] if word.defined else [refuse_recipe(word, word.call.name)]
    recipe = stage.recipe.of(word.call)
    supplied = _supplied(stage, recipe.mlp_ratio)
    wrong = _objections(word, ("mixer", "block"), supplied)
    own = word.recipe
    for key, kind in PARTS.items():
        for part in own.parts_of(key) if own is not None else ():
            wrong += _objections(part, (kind,), supplied)
    return wrong


def _check_part(word: Word, kind: Kind, stage: Stage) -> list[Mistake]:
    return check_word(word, kind) or _objections(word, (kind,), _supplied(stage, stage.recipe.mlp_ratio))


def _objections(
    word: Word, kinds: tuple[Kind, ...], supplied: tuple[tuple[str, Value], ...]
) -> list[Mistake]:
    mistake = check_values(word, kinds, supplied)
    if mistake is None:
        return []
    # a part within may be what objects: then its place is the better one
    for kind, part in _words_within(word, kinds):
        for within in _objections(part, (kind,), supplied):
            if within.message.partition(": ")[2] in mistake.message:
                return [within]
    return [mistake]


def _words_within(word: Word, kinds: tuple[Kind, ...]) -> Iterator[tuple[Kind, Word]]:
    arguments = find_part(word.call.name, *kinds).arguments
    for key, words in word.parts:
        kind = kind_within(arguments[key].annotation) if key in arguments else None
        if kind is not None:
            yield from ((kind, part) for part in words)


def _check_chain(chain: Chain) -> list[Mistake]:
    wrong = [mistake for word, kind in _kinds(chain.words, chain.head) for mistake in check_word(word, kind)]
    wrong += [
        Mistake("braces belong to the mixers of a stage", offset=word.recipe.offset)
        for word in chain.words
        if word.recipe is not None
    ]
    if wrong:
        return wrong
    calls = tuple(word.call for word in chain.words)
    for index, (word, (kind, in_dim, dim)) in enumerate(
        zip(chain.words, piece_sizes(calls, chain.in_dim, chain.dim, chain.head), strict=True)
    ):
        last = index == len(chain.words) - 1
        if dim is None:
            message = f"{word.call.name!r} needs a width here, as in {word.call.name}({WIDTH}=64)"
            return [Mistake(message, offset=word.offset)]
        if last and not chain.head and WIDTH in word.call.kwargs:
            message = f"the last piece has the stage's width, {chain.dim}: leave {WIDTH!r} out"
            return [Mistake(message, offset=word.key_offset(WIDTH))]
        if dim != chain.dim and last and not chain.head:
            message = (
                f"{word.call.name!r} leaves the channels as they are, {dim}, but the stage has {chain.dim}"
            )
            return [Mistake(message, offset=word.offset)]
        assert in_dim is not None
        size = ("classes", _CLASSES) if kind == "head" else ("in_chans", in_dim)
        supplied = (("dim", in_dim if kind == "head" else dim), size)
        wrong += _objections(word, (kind,), supplied)
    return wrong


def _kinds(words: Sequence[Word], head: bool) -> Iterator[tuple[Word, Kind]]:
    for index, word in enumerate(words):
        yield word, "head" if head and index == len(words) - 1 else "stem"


def piece_sizes(
    calls: Sequence[BlockCall], in_dim: int, dim: int, head: bool = False
) -> Iterator[tuple[Kind, int | None, int | None]]:
    """Kind, channels in and channels out of each piece of a chain; None where a piece does not say them.

    The last piece of a stem or downsampling leads to `dim` channels; the last piece of a head is the head.
    """
    inside: int | None = in_dim
    for index, call in enumerate(calls):
        last = index == len(calls) - 1
        if last and head:
            yield "head", inside, dim
            continue
        width = call.kwargs.get(WIDTH)
        if "dim" not in find_part(call.name, "stem").supplied:
            outside = inside  # a pooling, which has the channels that it gets
        else:
            outside = int(width) if width is not None else dim if last else None
        yield "stem", inside, outside
        inside = outside


def check_definitions(words: dict[str, tuple[Word, ...]]) -> list[Mistake]:
    """Mistakes in the words of `define`, where they stand."""
    import blocks

    mistakes: list[Mistake] = []
    for name, items in words.items():
        if name in blocks.names("mixer", "block"):
            message = f"{name!r} is the name of a block; a definition needs one of its own"
            mistakes.append(Mistake(message, (name,), at_key=True))
        for word in items:
            if word.defined:
                continue
            plain = replace(word, defined=False)
            wrong = check_word(plain, "mixer", "block") + check_recipe(plain)
            mistakes += [mistake.under(name) for mistake in wrong]
    return mistakes
