"""The pattern language: `alternate(conv, key_only)` or `[conv conv]*2 | key_only` to cycles of blocks.

    layout  = rule | stage { "|" stage } ;
    rule    = "alternate" "(" stage { "," stage } ")"
            | "graft" "(" stage "," stage "," "from" "=" INT ")" ;
    stage   = item { item } ;
    item    = ( block | "[" item { item } "]" ) [ "*" INT ] ;
    block   = call { "&" call } [ "{" pairs "}" ] ;
    call    = NAME [ "(" pairs ")" ] ;
    pairs   = KEY "=" value { "," KEY "=" value } ;
    value   = NUMBER | TEXT | call | "[" value { "," value } "]" ;

A name that `define` knows stands for the items of its definition. A parser written by hand: at every place
it knows what it expected there, and says so. Nothing here knows which blocks exist; `ablate.layout.arguments`
checks the words.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ablate.errors import did_you_mean
from ablate.layout.call import BlockCall, Value
from ablate.layout.tokens import PatternError, Token, read_number, split_tokens
from ablate.layout.words import NO_DEFINITIONS, Definitions, Pattern, Word, cycle_blocks

__all__ = [
    "MAX_DEPTH",
    "RULES",
    "Pattern",
    "PatternError",
    "Word",
    "cycle_blocks",
    "parse_call",
    "parse_chain",
    "parse_pattern",
]

RULES = ("alternate", "graft")
MAX_DEPTH = 1000  # blocks in one stage; more is a typing mistake, and would fill the memory
_MAX_NESTING = 20


def parse_pattern(text: str, define: Definitions = NO_DEFINITIONS) -> Pattern:
    """Parse a rule or a pattern. Raises `PatternError`."""
    parser = _Parser(text, define)
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


def parse_chain(text: str, define: Definitions = NO_DEFINITIONS) -> tuple[Word, ...]:
    """Parse parts that follow one another, as a stage, a stem or a head has them. Raises `PatternError`."""
    parser = _Parser(text, define)
    words = parser.stage()
    if not parser.done:
        raise parser.error(f"expected a part or the end, got {parser.shown}")
    return words


def parse_call(text: str) -> Word:
    """Parse one part with its arguments, as `overlap(stride=2)`. Raises `PatternError`."""
    parser = _Parser(text, NO_DEFINITIONS)
    word = parser.call()
    if not parser.done:
        raise parser.error(f"expected nothing after {str(word.call)!r}, got {parser.shown}")
    return word


class _Parser:
    """Recursive descent, one method per line of the grammar."""

    def __init__(self, text: str, define: Definitions):
        self.tokens = split_tokens(text)
        self.define = define
        self.nesting = 0  # of calls within calls
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
        cycles = [self.stage()]
        start = Token("end", "", name.offset)
        while self.take(","):
            if name.text == "graft" and (self.token.text == "from" or len(cycles) == 2):
                start = self.graft_start()
                break
            cycles.append(self.stage())
        self.expect(")", "',' or ')'")
        if name.text == "alternate":
            return Pattern((tuple(word for cycle in cycles for word in cycle),), "alternate")
        if len(cycles) != 2 or start.kind == "end":
            raise PatternError(
                "graft needs two patterns and a stage: graft(conv, softmax, from=3)", name.offset
            )
        return Pattern(tuple(cycles), "graft", int(start.text), start.offset)

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
            elif self.at_definition():
                name = self.next()
                group = [replace(word, offset=name.offset, defined=True) for word in self.define[name.text]]
            else:
                group = [self.block()]
            repeat = self.count("a number of repetitions") if self.take("*") else 1
            if len(words) + len(group) * repeat > MAX_DEPTH:
                raise PatternError(f"a stage has at most {MAX_DEPTH} blocks", start.offset)
            words += group * repeat
        return words

    def at_definition(self) -> bool:
        """Whether a name stands here that `define` knows, and not a block with arguments."""
        return self.token.text in self.define and self.tokens[self.position + 1].text not in ("(", "&", "{")

    def block(self) -> Word:
        """A call, several side by side, and how they are made a block."""
        word = self.call()
        if self.token.text == "&":
            branches = [word]
            while self.take("&"):
                branches.append(self.call())
            call = BlockCall("parallel", (("of", tuple(_part_value(branch) for branch in branches)),))
            word = Word(call, word.offset, (("of", word.offset, word.offset),), (("of", tuple(branches)),))
        if self.token.kind != "mark" or not self.take("{"):
            return word
        recipe = self.pairs(Word(BlockCall(""), self.token.offset), "}", f"a setting of {word.call.name!r}")
        return replace(word, call=replace(word.call, recipe=recipe.call.args), recipe=recipe)

    def call(self) -> Word:
        if self.token.kind != "name":
            raise self.error(f"expected a block, got {self.shown}")
        name = self.next()
        word = Word(BlockCall(name.text), name.offset)
        if not self.take("("):
            return word
        self.nesting += 1
        if self.nesting > _MAX_NESTING:
            raise PatternError(f"calls nest deeper than {_MAX_NESTING}", name.offset)
        word = self.pairs(word, ")", f"an argument of {name.text!r}")
        self.nesting -= 1
        return word

    def pairs(self, word: Word, end: str, what: str) -> Word:
        """The word with the arguments that follow, up to the bracket that closes them."""
        keys: list[tuple[str, int, int]] = []
        args: list[tuple[str, Value]] = []
        parts: list[tuple[str, tuple[Word, ...]]] = []
        while True:
            key = self.token
            if key.kind != "name" or self.tokens[self.position + 1].text != "=":
                raise self.error(f"expected {what} as key=value, got {self.shown}")
            if any(key.text == known for known, _ in args):
                raise self.error(f"argument {key.text!r} is given twice")
            self.position += 2
            keys.append((key.text, key.offset, self.token.offset))
            within: list[Word] = []
            args.append((key.text, self.value(within, 0)))
            if within:
                parts.append((key.text, tuple(within)))
            if not self.take(","):
                break
        self.expect(end, f"',' or '{end}'")
        return Word(BlockCall(word.call.name, tuple(args)), word.offset, tuple(keys), tuple(parts))

    def value(self, within: list[Word], nesting: int) -> Value:
        """A value; the names and calls in it are added to `within`."""
        token = self.token
        if self.take("["):
            if nesting >= _MAX_NESTING:
                raise PatternError(f"brackets nest deeper than {_MAX_NESTING}", token.offset)
            items = [self.value(within, nesting + 1)]
            while self.take(","):
                items.append(self.value(within, nesting + 1))
            self.expect("]", "',' or ']'")
            return tuple(items)
        if token.kind == "name" and self.tokens[self.position + 1].text == "(":
            word = self.call()
            within.append(word)
            return word.call
        if token.kind not in ("number", "name", "text"):
            raise self.error(f"expected a value, got {self.shown}")
        self.position += 1
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "name":
            if token.text in _CONSTANTS:
                return _CONSTANTS[token.text]
            within.append(Word(BlockCall(token.text), token.offset))
            return token.text
        try:
            return read_number(token.text)
        except ValueError as error:
            raise PatternError(str(error), token.offset) from None


_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None}


def _part_value(word: Word) -> Value:
    """A part as a value: its bare name, or its call."""
    return word.call if word.call.args else word.call.name
