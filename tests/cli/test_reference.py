"""The reference of the language's page is what the register and the schema say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.measurements.register import measurements
from ablate.questions.reference import BEGIN, END, between, reference_text
from blocks import entries

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
Command = Callable[..., Any]


def test_the_page_is_up_to_date(ablate: Command) -> None:
    ended = ablate("reference", PAGE, "--check")
    assert ended.code == 0, "make it so with: make reference"


def test_every_part_and_every_key_is_there() -> None:
    text = reference_text()
    for kind in ("stem", "ffn", "norm"):
        for entry in entries(kind):
            assert f"| `{entry.name}` |" in text
            assert all(f"`{name}`: " in text for name in entry.arguments)
    for entry in measurements():
        if entry.file_section:
            part = text.partition(f"### measure: {entry.name}\n")[2].partition("\n###")[0]
            fields = entry.settings.model_fields.items()
            assert all(f"| `{name}` |" in part for name, field in fields if not field.exclude)


def test_a_page_that_differs_is_told_and_mended(ablate: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert ablate("reference", page, "--check").code == 1
    assert "old" in page.read_text()
    assert ablate("reference", page).code == 0
    assert ablate("reference", page, "--check").code == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "\nold\n" not in text
    assert between(text, reference_text(), "page") == text


def test_a_page_without_markers_is_refused(ablate: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    ended = ablate("reference", page)
    assert ended.code == 2
    assert "reference: begin" in ended.err
