"""What the README and the page of results say stands in the tables that they name; links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "results" / "README.md"
NUMBER = re.compile(r"\d+\.\d+(?: ± \d+\.\d+)?|\d+(?= MiB)|from (?P<px>\d+) px")


def statements() -> list[tuple[str, list[Path]]]:
    """Every item of a list in the page of results that links to tables, with the files that it links to."""
    items = re.findall(r"^\* (.*?)(?=^\* |^\S|\Z)", RESULTS.read_text(), re.MULTILINE | re.DOTALL)
    linked = [(" ".join(item.split()), re.findall(r"\]\(([^):]+\.md)\)", item)) for item in items]
    return [(item, [RESULTS.parent / file for file in files]) for item, files in linked if files]


@pytest.mark.parametrize(("item", "files"), statements(), ids=lambda value: str(value)[:30])
def test_numbers_stand_in_the_tables(item: str, files: list[Path]) -> None:
    tables = "\n".join(file.read_text() for file in files)
    for number in NUMBER.finditer(item):
        said = number["px"] or number[0]
        assert said in tables, f"{said} stands in none of {files}"


def test_there_are_numbers_to_look_up() -> None:
    assert sum(len(NUMBER.findall(item)) for item, _ in statements()) > 15
    assert "MACs of `key_only` grow" in str(statements())


def test_its_verdicts_and_figures_are_those_of_the_claims() -> None:
    page = (ROOT / "results" / "claims.md").read_text()
    (table,) = re.findall(r"^\| claim \| verdict .*?\n\n", README.read_text(), re.MULTILINE | re.DOTALL)
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:] if line
    ]
    assert len(rows) > 5
    for claim, verdict, measured in rows:
        assert f"| {claim} | {verdict} |" in page
        for number in re.findall(r"[-+−]?\d+\.\d+", measured):
            assert number in page


def links() -> list[tuple[Path, str]]:
    return [
        (page, link)
        for page in (README, RESULTS, *sorted((ROOT / "docs").glob("*.md")))
        for link in sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())))
    ]


@pytest.mark.parametrize(("page", "link"), links(), ids=lambda value: str(value)[-40:])
def test_links_lead_somewhere(page: Path, link: str) -> None:
    assert (page.parent / link).exists()


def test_its_study_with_its_block_is_valid(
    ablate: Callable[..., Any], tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    for name, text in re.findall(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", README.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text)
    checked = ablate("check", tmp_path / "paper.yaml")
    assert checked.code == 0, checked.err
    assert "5 layouts" in checked.out
