"""The pattern language: `alternate(conv, key_only)` or `[conv conv]*2 | key_only` to cycles of blocks.

    layout  = rule | stage { "|" stage } ;
    rule    = "alternate" "(" block { "," block } ")"
            | "graft" "(" block "," block "," "from" "=" INT ")" ;
    stage   = item { item } ;
    item    = ( block | "[" item { item } "]" ) [ "*" INT ] ;
    block   = NAME [ "(" KEY "=" VALUE { "," KEY "=" VALUE } ")" ] ;

A parser written by hand: at every place it knows what it expected there, and says so. Nothing here knows
which blocks exist; `ablate.layout.arguments` checks the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ablate.errors import did_you_mean
from ablate.layout.call import BlockCall, Value
from ablate.layout.tokens import PatternError, Token, read_number, split_tokens

__all__ = [
    "MAX_DEPTH",
    "RULES",
    "Pattern",
    "PatternError",
    "Word",
    "cycle_blocks",
    "parse_call",
    "parse_pattern",
]

RULES = ("alternate", "graft")
MAX_DEPTH = 1000  # blocks in one stage; more is a typing mistake, and would fill the memory
_MAX_NESTING = 20


@dataclass(frozen=True)
class Word:
    """A block as it was written: the call, and the offsets of its name, its argument names and its values."""

    call: BlockCall
    offset: int
    keys: tuple[tuple[str, int, int], ...] = ()

    def key_offset(self, key: str) -> int:
        """Where the argument's name stands."""
        return next((at for name, at, _ in self.keys if name == key), self.offset)

    def value_offset(self, key: str) -> int:
        """Where the argument's value stands."""
        return next((at for name, _, at in self.keys if name == key), self.offset)


@dataclass(frozen=True)
class Pattern:
    """A parsed layout text: one cycle of blocks per stage, or one for all stages, or a graft."""

    cycles: tuple[tuple[Word, ...], ...]
    rule: str = ""
    graft_from: int = 0  # the first stage, counted from 1, of the second cycle
    offset: int = 0  # of the number after `from=`

    @property
    def stages(self) -> int | None:
        """The number of stages the text says, or None when it fits any number."""
        return None if self.rule or len(self.cycles) == 1 else len(self.cycles)

    def cycle(self, stage: int) -> tuple[Word, ...]:
        """The cycle of a stage, counted from 0."""
        if self.rule == "graft":
            return self.cycles[0 if stage + 1 < self.graft_from else 1]
        return self.cycles[0] if len(self.cycles) == 1 else self.cycles[stage]


def parse_pattern(text: str) -> Pattern:
    """Parse a rule or a pattern. Raises `PatternError`."""
    parser = _Parser(text)
    if parser.at_rule():
        pattern = parser.rule()
        if not parser.done:
            raise parser.error(
                f"{pattern.rule}(...) is the whole layout; nothing may follow it, got {parser.shown}"
            )
        return pattern
    cycles = [parser.stage()]
    while parser.take("|"):
        cycles.append(parser.stage())
    if not parser.done:
        raise parser.error(f"expected a block, '|' or the end, got {parser.shown}")
    return Pattern(tuple(cycles))


def parse_call(text: str) -> Word:
    """Parse one block with its arguments, as `overlap(stride=2)`. Raises `PatternError`."""
    parser = _Parser(text)
    word = parser.block()
    if not parser.done:
        raise parser.error(f"expected nothing after {str(word.call)!r}, got {parser.shown}")
    return word


def cycle_blocks(cycle: tuple[Word, ...], depth: int) -> tuple[Word, ...]:
    """`depth` blocks: the cycle again and again, the last time cut off."""
    return tuple(cycle[i % len(cycle)] for i in range(depth))


class _Parser:
    """Recursive descent, one method per line of the grammar."""

    def __init__(self, text: str):
        self.tokens = split_tokens(text)
        self.position = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def done(self) -> bool:
        return self.token.kind == "end"

    @property
    def shown(self) -> str:
        return "the end" if self.done else repr(self.token.text)

    def error(self, message: str) -> PatternError:
        return PatternError(message, self.token.offset)

    def take(self, mark: str) -> bool:
        if self.token.kind == "mark" and self.token.text == mark:
            self.position += 1
            return True
        return False

    def expect(self, mark: str, what: str) -> None:
        if not self.take(mark):
            raise self.error(f"expected {what}, got {self.shown}")

    def next(self) -> Token:
        token = self.token
        self.position += 1
        return token

    def at_rule(self) -> bool:
        """Whether the text begins like a rule: with its name, or a name whose arguments are bare words."""
        kinds = [(t.kind, t.text) for t in self.tokens[:4]]
        if len(kinds) < 4 or kinds[0][0] != "name" or kinds[1] != ("mark", "("):
            return kinds[0][1] in RULES and kinds[0][0] == "name"
        return kinds[0][1] in RULES or (kinds[2][0] == "name" and kinds[3] in (("mark", ","), ("mark", "(")))

    def rule(self) -> Pattern:
        name = self.next()
        if name.text not in RULES:
            raise PatternError(f"unknown rule {name.text!r}{did_you_mean(name.text, RULES)}", name.offset)
        self.expect("(", f"'(' after {name.text!r}")
        words = [self.block()]
        start = Token("end", "", name.offset)
        while self.take(","):
            if name.text == "graft" and (self.token.text == "from" or len(words) == 2):
                start = self.graft_start()
                break
            words.append(self.block())
        self.expect(")", "',' or ')'")
        if name.text == "alternate":
            return Pattern((tuple(words),), "alternate")
        if len(words) != 2 or start.kind == "end":
            raise PatternError(
                "graft needs two blocks and a stage: graft(conv, softmax, from=3)", name.offset
            )
        return Pattern(((words[0],), (words[1],)), "graft", int(start.text), start.offset)

    def graft_start(self) -> Token:
        if self.token.text != "from":
            raise self.error(f"expected from=STAGE, got {self.shown}")
        self.next()
        self.expect("=", "'=' after 'from'")
        token = self.token
        self.count("a stage number")
        return token

    def count(self, what: str) -> int:
        """A whole number of at least 1 and at most MAX_DEPTH."""
        token = self.token
        if token.kind != "number" or not re.fullmatch(r"[0-9]{1,9}", token.text):
            raise self.error(f"expected {what}, got {self.shown}")
        if not 1 <= int(token.text) <= MAX_DEPTH:
            raise self.error(f"expected {what} between 1 and {MAX_DEPTH}, got {int(token.text)}")
        self.position += 1
        return int(token.text)

    def stage(self) -> tuple[Word, ...]:
        words = self.items(0)
        if not words:
            raise self.error(f"expected a block, got {self.shown}")
        return tuple(words)

    def items(self, nesting: int) -> list[Word]:
        words: list[Word] = []
        while self.token.kind == "name" or self.token.text == "[":
            start = self.token
            if self.take("["):
                if nesting >= _MAX_NESTING:
                    raise PatternError(f"brackets nest deeper than {_MAX_NESTING}", start.offset)
                group = self.items(nesting + 1)
                if not group:
                    raise self.error(f"expected a block after '[', got {self.shown}")
                self.expect("]", "a block or ']'")
            else:
                group = [self.block()]
            repeat = self.count("a number of repetitions") if self.take("*") else 1
            if len(words) + len(group) * repeat > MAX_DEPTH:
                raise PatternError(f"a stage has at most {MAX_DEPTH} blocks", start.offset)
            words += group * repeat
        return words

    def block(self) -> Word:
        if self.token.kind != "name":
            raise self.error(f"expected a block, got {self.shown}")
        name = self.next()
        keys: list[tuple[str, int, int]] = []
        args: list[tuple[str, Value]] = []
        if self.take("("):
            while True:
                key = self.token
                if key.kind != "name" or self.tokens[self.position + 1].text != "=":
                    raise self.error(f"expected an argument of {name.text!r} as key=value, got {self.shown}")
                if any(key.text == known for known, _ in args):
                    raise self.error(f"argument {key.text!r} is given twice")
                self.position += 2
                keys.append((key.text, key.offset, self.token.offset))
                args.append((key.text, self.value()))
                if not self.take(","):
                    break
            self.expect(")", "',' or ')'")
        return Word(BlockCall(name.text, tuple(args)), name.offset, tuple(keys))

    def value(self) -> Value:
        token = self.token
        if token.kind not in ("number", "name", "text"):
            raise self.error(f"expected a value, got {self.shown}")
        self.position += 1
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "name":
            return {"true": True, "false": False, "none": None, "null": None}.get(token.text, token.text)
        try:
            return read_number(token.text)
        except ValueError as error:
            raise PatternError(str(error), token.offset) from None
