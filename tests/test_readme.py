"""What the README says of results stands in the tables that it names, and its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"\d+\.\d+(?: ± \d+\.\d+)?|\d+(?= MiB)|from (?P<px>\d+) px")


def statements() -> list[tuple[str, list[str]]]:
    """Every item of a list that links to results, with the files that it links to."""
    items = re.findall(r"^\* (.*?)(?=^\* |^\S|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    found = [(" ".join(item.split()), re.findall(r"\]\((results/[^)]+\.md)\)", item)) for item in items]
    return [(item, files) for item, files in found if files]


@pytest.mark.parametrize(("item", "files"), statements(), ids=lambda value: str(value)[:30])
def test_numbers_stand_in_the_tables(item: str, files: list[str]) -> None:
    tables = "\n".join((ROOT / file).read_text() for file in files)
    for number in NUMBER.finditer(item):
        said = number["px"] or number[0]
        assert said in tables, f"{said} stands in none of {files}"


def test_there_are_numbers_to_look_up() -> None:
    assert sum(len(NUMBER.findall(item)) for item, _ in statements()) > 15
    assert "0.1342 ± 0.0012" in str(statements())


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_its_study_with_its_block_is_valid(
    ablate: Callable[..., Any], tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    for name, text in re.findall(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL):
        (tmp_path / name).write_text(text)
    checked = ablate("check", tmp_path / "paper.yaml")
    assert checked.code == 0, checked.err
    assert "5 layouts" in checked.out
