"""What the author of a study predicts: `expect:` lines, parsed, every word with its offset.

    line     = side ( ">" | "<" | ">=" | "<=" ) side [ "by" amount ]
             | side "=" side "within" amount ;
    side     = [ NUMBER "*" ] quantity | amount ;
    quantity = NAME "of" LAYOUT [ "on" DATASET ] [ "at" INT [ "px" ] ] ;
    amount   = NUMBER [ UNIT ] ;

    accuracy of hybrid > accuracy of hybrid/no-attention by 0.5
    latency of hybrid at 448 < 1.2 * latency of hybrid/no-attention at 448
    params of hybrid <= 3.4M
    accuracy of hybrid = accuracy of graft within 0.5 points
    task_accuracy of hybrid on reach > task_accuracy of graft on reach

A layout's name is written as it is, or in quotes where it has spaces; a data set's likewise, with its
arguments or without. Which quantities there are, and their units, comes from outside: nothing here knows a
measurement. `ablate.study.expect_judge` decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ablate.errors import Mistake, did_you_mean
from ablate.layout.sizes import NUMBER
from ablate.study.expectation import UNITS, Amount, Expectation, Relation, Side, Term, Unit

_TOKEN = re.compile(
    rf"""\s*(?:(?P<number>{NUMBER})(?=$|[\s*%a-zA-Z<>=]) | (?P<relation>[<>]=?|=) | (?P<star>\*)
           | (?P<quoted>'[^']*'|"[^"]*") | (?P<word>[^\s<>=*'"]+) )""",
    re.VERBOSE,
)
_LAYOUT = re.compile(r"""'[^']*'|"[^"]*"|\S+""")

_DATASET = re.compile(r"""'[^']+'|"[^"]+"|[^\s<>=*'"()]+(?:\([^()]*\))?""")  # with its arguments or without


class ExpectationError(ValueError):
    """A mistake in a line; `.offset` counts characters from its start."""

    def __init__(self, message: str, offset: int):
        super().__init__(message)
        self.message, self.offset = message, offset


def parse_expectation(
    text: str, quantities: Mapping[str, Unit], layouts: Collection[str] | None = None
) -> Expectation:
    """Parse one line. `quantities` are the known ones with their units; `layouts` the known names (None:
    any).

    Raises `ExpectationError` with the offset of the first mistake.
    """
    return _Parser(text, quantities, layouts).line()


def expectation_mistakes(
    lines: object, quantities: Mapping[str, Unit], layouts: Collection[str] | None = None
) -> tuple[list[Expectation], list[Mistake]]:
    """The value of `expect:`: its lines parsed, and the mistakes with their paths below it."""
    if not isinstance(lines, list):
        return [], [Mistake("expected a list of lines such as 'accuracy of a > accuracy of b'")]
    parsed: list[Expectation] = []
    mistakes: list[Mistake] = []
    for i, line in enumerate(lines):
        if not isinstance(line, str):
            mistakes.append(Mistake("expected a line such as 'accuracy of a > accuracy of b'", (i,)))
            continue
        try:
            outcome = parse_expectation(line, quantities, layouts)
        except ExpectationError as error:
            mistakes.append(Mistake(error.message, (i,), error.offset))
            continue
        if str(outcome) in map(str, parsed):
            mistakes.append(Mistake("this line is given twice", (i,)))
        parsed.append(outcome)
    return parsed, mistakes


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


def _tokens(text: str, position: int = 0) -> Iterator[_Token]:
    """The words from a position on, what is no word as `bad`, and one for the end."""
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            yield _Token("bad", text[position], position)
            position += 1
        else:
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind))
            position = match.end()
    yield _Token("end", "", len(text.rstrip()))


class _Parser:
    """Recursive descent, one method a line of the grammar."""

    def __init__(self, text: str, quantities: Mapping[str, Unit], layouts: Collection[str] | None):
        self.text, self.quantities, self.layouts = text, quantities, layouts
        self.tokens, self.position = list(_tokens(text)), 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    @property
    def shown(self) -> str:
        return "the end" if self.token.kind == "end" else repr(self.token.text)

    def next(self) -> _Token:
        token = self.token
        self.position += token.kind != "end"
        return token

    def expected(self, what: str) -> ExpectationError:
        return ExpectationError(f"expected {what}, got {self.shown}", self.token.offset)

    def word(self, text: str) -> bool:
        if self.token.kind == "word" and self.token.text == text:
            self.position += 1
            return True
        return False

    def line(self) -> Expectation:
        start = self.token.offset
        left = self.side()
        if self.token.kind != "relation":
            raise self.expected("one of > < >= <= =")
        relation = self.next()
        right = self.side()
        unit = self.unit(left, right, start)
        margin = self.margin(relation, unit)
        if self.token.kind != "end":
            raise self.expected("the end")
        kind: Relation = relation.text  # type: ignore[assignment]  # the token is one of them
        return Expectation(self.amount(left, unit), kind, self.amount(right, unit), margin, unit, self.text)

    def side(self) -> Term | tuple[_Token, _Token | None]:
        """A term, or a number and its unit, which means something beside the other side only."""
        if self.token.kind != "number":
            return self.quantity(1.0)
        number = self.next()
        if self.token.kind == "star":
            self.next()
            factor = float(number.text)
            if not 0 < factor < float("inf"):
                raise ExpectationError(f"a factor is more than 0, got {number.text}", number.offset)
            return self.quantity(factor)
        return number, self.unit_word()

    def unit_word(self) -> _Token | None:
        """The unit behind a number, unless the word belongs to the line: `by`, `within`."""
        if self.token.kind == "word" and self.token.text not in ("by", "within"):
            return self.next()
        return None

    def quantity(self, factor: float) -> Term:
        name = self.token
        if name.kind != "word":
            raise self.expected("a quantity such as 'accuracy of NAME', or a number")
        if name.text not in self.quantities:
            hint = did_you_mean(name.text, tuple(self.quantities))
            raise ExpectationError(f"unknown quantity {name.text!r}{hint}", name.offset)
        self.next()
        if not self.word("of"):
            raise self.expected(f"'of' after {name.text!r}")
        layout, dataset, resolution = self.layout(), self.dataset(), self.resolution()
        return Term(name.text, layout, resolution, factor, dataset)

    def layout(self) -> str:
        """A layout's name: in quotes, or up to the next space, whatever it is made of."""
        start = self.token.offset
        match = _LAYOUT.match(self.text, start)
        if match is None:
            raise self.expected("a layout's name")
        plain, end = match[0], match.end()
        if plain[0] in "'\"" and len(plain) > 1:
            plain = plain[1:-1]
        elif self.layouts is not None and plain not in self.layouts:
            # `of hybrid<3`: the longest name that a relation follows at once
            known = (name for name in self.layouts if plain.startswith(name) and plain[len(name)] in "<>=")
            plain = max(known, key=len, default=plain)
            end = start + len(plain)
        if self.layouts is not None and plain not in self.layouts:
            hint = did_you_mean(plain, tuple(self.layouts))
            raise ExpectationError(f"unknown layout {plain!r}{hint}", start)
        self.tokens[self.position :] = _tokens(self.text, end)
        return plain

    def dataset(self) -> str | None:
        if not self.word("on"):
            return None
        match = _DATASET.match(self.text, self.token.offset)
        if match is None:
            raise self.expected("a data set's name")
        self.tokens[self.position :] = _tokens(self.text, match.end())
        return match[0].strip("'\"")

    def resolution(self) -> int | None:
        if not self.word("at"):
            return None
        number = self.token
        if number.kind != "number" or not re.fullmatch(r"[0-9]{1,5}", number.text) or int(number.text) < 1:
            raise self.expected("a resolution in pixels")
        self.next()
        self.word("px")
        return int(number.text)

    def unit(self, left: object, right: object, start: int) -> Unit:
        """The unit of the line: both sides' quantities must share it."""
        units = [self.quantities[side.quantity] for side in (left, right) if isinstance(side, Term)]
        if not units:
            raise ExpectationError("the line speaks of no layout; write 'QUANTITY of LAYOUT'", start)
        if units[0] != units[-1]:
            assert isinstance(left, Term)
            assert isinstance(right, Term)
            message = f"{left.quantity} ({units[0]}) and {right.quantity} ({units[1]}) cannot be compared"
            raise ExpectationError(message, start)
        return units[0]

    def amount(self, side: Term | tuple[_Token, _Token | None], unit: Unit) -> Side:
        return side if isinstance(side, Term) else Amount(self.number(*side, unit))

    def number(self, number: _Token, suffix: _Token | None, unit: Unit) -> float:
        """A number in the stored unit."""
        value = float(number.text)
        if not abs(value) < float("inf"):
            raise ExpectationError(f"{number.text} is not a finite number", number.offset)
        if suffix is None:
            return value
        if suffix.text not in UNITS[unit]:
            known = ", ".join(UNITS[unit]) or "none"
            raise ExpectationError(f"unknown unit {suffix.text!r} of {unit}; known: {known}", suffix.offset)
        return value * UNITS[unit][suffix.text]

    def margin(self, relation: _Token, unit: Unit) -> float:
        word = "within" if relation.text == "=" else "by"
        if not self.word(word):
            if self.token.kind == "word" and self.token.text in ("by", "within"):
                raise self.expected(f"{word!r} with {relation.text!r}")
            if relation.text == "=":
                raise self.expected("'within AMOUNT': no two measured values are equal without a margin")
            return 0.0
        number = self.token
        if number.kind != "number":
            raise self.expected(f"an amount after {word!r}")
        self.next()
        value = self.number(number, self.unit_word(), unit)
        if value <= 0:
            raise ExpectationError(f"a margin is more than 0, got {number.text}", number.offset)
        return value
