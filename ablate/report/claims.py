"""Claims that others have made, with what the ledgers say of each: a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ablate.report.evidence import judged
from ablate.report.results import Results
from ablate.report.tables.expectations import gap_text
from ablate.run.facts import ClaimsFact
from ablate.run.ledger import FILE, Ledger
from ablate.study.expect import parse_expectation
from ablate.study.expect_quantities import known_quantities

_NOT_TESTED = "not tested"


@dataclass(frozen=True)
class ClaimTest:
    """One line that tests a claim: what became of it, the figure behind it, and the study it comes from."""

    line: str
    status: str
    figure: str
    study: str


@dataclass(frozen=True)
class Claim:
    """A sentence with its tests; without any it is not tested."""

    sentence: str
    tests: tuple[ClaimTest, ...]

    @property
    def verdict(self) -> str:
        """`held` when all tests are; `failed`, or `held in part`, when one fails; else `not resolved`."""
        states = {test.status for test in self.tests}
        if not states:
            return _NOT_TESTED
        if "failed" in states:
            return "failed" if states == {"failed"} else "held in part" if "held" in states else "failed"
        return "held" if states == {"held"} else "not resolved"


def claims_of(folders: Iterable[Path]) -> list[Claim]:
    """The claims of the studies in these folders, from their ledgers alone; the same sentence is one claim.

    Raises `AblateError` for a folder without a ledger.
    """
    tests: dict[str, list[ClaimTest]] = {}
    for folder in folders:
        with Ledger(folder / FILE, read_only=True) as ledger:
            results = Results.of(ledger)
            fact = ledger.read(ClaimsFact) or ClaimsFact()
        for sentence, lines in fact.sentences.items():
            tests.setdefault(sentence, []).extend(_test(results, line) for line in lines)
    return [Claim(sentence, tuple(known)) for sentence, known in tests.items()]


def _test(results: Results, line: str) -> ClaimTest:
    expectation = parse_expectation(line, known_quantities())
    judgement = judged(results, expectation)
    return ClaimTest(line, judgement.status, gap_text(expectation, judgement), results.study)


def to_markdown(claims: Iterable[Claim], command: str) -> str:
    """The page: every sentence with its verdict, its tests and their figures; what was not tested last."""
    known = list(claims)
    tested = [claim for claim in known if claim.tests]
    rest = [claim for claim in known if not claim.tests]
    lines = ["# Claims and what the ledgers say", "", f"Written by `{command}` from ledgers alone.", ""]
    lines += ["| claim | verdict | tests held |", "| --- | --- | --- |"]
    for claim in tested:
        held = sum(test.status == "held" for test in claim.tests)
        lines.append(f"| {_plain(claim.sentence)} | **{claim.verdict}** | {held} of {len(claim.tests)} |")
    for claim in tested:
        lines += ["", f"## {claim.sentence}", "", f"**{claim.verdict.capitalize()}.**", ""]
        lines += ["| expectation | outcome | left − right | study |", "| --- | --- | --- | --- |"]
        for test in claim.tests:
            lines.append(f"| {_plain(test.line)} | {test.status} | {_plain(test.figure)} | {test.study} |")
    if rest:
        lines += ["", "## Not tested", ""]
        lines += [f"- {claim.sentence}" for claim in rest]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")
