"""The written report: the same bytes twice, self-contained, everything escaped, nothing heavy imported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ablate.report.register import figure_entries, table_entries
from ablate.report.results import Results
from ablate.report.write import write_results
from ablate.run.facts import SearchFact, TrialRecord

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]
Write = Callable[[pd.DataFrame, Path], dict[str, bytes]]
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(HTMLParser):
    """Collects identifiers, references and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "srcset", "data", "action"):
                self.references.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def write(opened: Open, texts: dict[str, str]) -> Callable[[pd.DataFrame, Path], dict[str, bytes]]:
    return lambda frame, out: _write(opened, frame, out, texts)


def _write(opened: Open, frame: pd.DataFrame, out: Path, texts: dict[str, str]) -> dict[str, bytes]:
    results = opened(
        frame, study="<script>alert(1)</script>", baseline="alternate-key_only", texts=texts,
        source="study: <b>\n", file="study.yaml", warnings=("depth 3 & <i>pattern</i>",),
    )  # fmt: skip
    files = write_results(results, out)
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def small(study_of: Make, failing: Make) -> pd.DataFrame:
    frame = study_of(("alternate-key_only", "graft3-softmax"), resolutions=(224, 384), seeds=3)
    return failing(
        frame, "oom", "<oom> & more", layout="graft3-softmax", kind="memory", kernel="math", resolution=384
    )


@pytest.fixture(scope="module")
def written(small: pd.DataFrame, write: Write, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return write(small, tmp_path_factory.mktemp("report"))


def test_every_table_in_three_and_every_figure_in_two_formats(written: dict[str, bytes]) -> None:
    for name in ("main", "scaling", "stages", "memory", "throughput", "seeds", "missing", "layouts"):
        assert {f"tables/{name}.{suffix}" for suffix in ("csv", "md", "tex")} <= set(written)
    for name in ("macs", "memory", "latency", "accuracy", "stages"):
        assert written[f"figures/{name}.png"].startswith(b"\x89PNG")
        assert written[f"figures/{name}.pdf"].startswith(b"%PDF")


def test_the_same_frame_gives_the_same_bytes(
    small: pd.DataFrame, write: Write, written: dict[str, bytes], tmp_path: Path
) -> None:
    again = write(small, tmp_path)
    assert [name for name in written if written[name] != again[name]] == []


def test_page_is_self_contained_and_well_formed(written: dict[str, bytes]) -> None:
    page = written["report.html"].decode()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(reference.startswith(("#", "data:")) for reference in checker.references)
    assert {reference[1:] for reference in checker.references if reference.startswith("#")} <= set(
        checker.ids
    )
    assert len(checker.ids) == len(set(checker.ids))
    assert not re.search(r"https?://|@import|url\((?!#)", page)


def test_page_escapes_and_shows_failures_warnings_and_definitions(written: dict[str, bytes]) -> None:
    page = written["report.html"].decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    for text in (
        "&lt;oom&gt; &amp; more",
        "depth 3 &amp; &lt;i&gt;",
        "study: &lt;b&gt;",
        "ablate run study.yaml",
    ):
        assert text in page
    for text in (
        "Made-up CPU",
        "2.15.0",
        "Definitions",
        "One MAC is two floating-point operations",
        "2 memory oom",
    ):
        assert text in page


def test_ink_of_figures_follows_the_page(written: dict[str, bytes]) -> None:
    page = written["report.html"].decode()
    assert page.count("<svg") == 2 * 5  # for wide and for narrow screens
    assert "var(--ink)" in page
    assert "#1f2328" not in page.split("</style>", 1)[1]


def test_figures_of_an_earlier_report_do_not_stay(study_of: Make, write: Write, tmp_path: Path) -> None:
    stale = tmp_path / "figures" / "latency.png"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    (stale.parent / "mine.png").write_bytes(b"kept")
    write(study_of(("a", "b"), resolutions=(224,), kinds=("complexity",)), tmp_path)
    assert not stale.exists()
    assert (stale.parent / "mine.png").exists()


def test_a_search_alone_gives_its_front(
    opened: Open, study_of: Make, trials: list[TrialRecord], tmp_path: Path
) -> None:
    nothing = study_of(("a",), resolutions=(224,), kinds=("complexity",)).iloc[:0]
    fact = SearchFact(("minimize macs", "maximize accuracy"), tuple(trials))
    files = write_results(opened(nothing, facts=[fact]), tmp_path)
    names = {path.name for path in files}
    assert {"search.csv", "pareto.png", "report.html"} <= names
    assert "macs.png" not in names


def test_a_name_that_breaks_a_figure_costs_that_figure_alone(
    study_of: Make, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(results: Results) -> None:
        raise ValueError("cannot draw $$")

    entries = [replace(entry, make=broken) if entry.name == "macs" else entry for entry in figure_entries()]
    monkeypatch.setattr("ablate.report.write.figure_entries", lambda: entries)
    written = write(study_of(("a", "b"), resolutions=(224, 384), kinds=("complexity",)), tmp_path)
    assert "figures/macs.png" not in written
    assert "figures/memory.png" in written
    assert "The figure macs could not be drawn: ValueError: cannot draw $$" in written["report.html"].decode()


def test_a_table_that_fails_costs_itself_alone(
    study_of: Make, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(results: Results) -> None:
        raise KeyError("macs")

    entries = [replace(entry, make=broken) if entry.name == "stages" else entry for entry in table_entries()]
    monkeypatch.setattr("ablate.report.write.table_entries", lambda: entries)
    written = write(study_of(("a", "b"), resolutions=(224,), kinds=("complexity",)), tmp_path)
    assert "tables/stages.csv" not in written
    assert "tables/main.csv" in written
    assert "The table stages could not be made: KeyError:" in written["report.html"].decode()


@pytest.mark.filterwarnings("error")
def test_what_the_drawing_library_says_stands_in_the_report(
    study_of: Make, write: Write, tmp_path: Path
) -> None:
    written = write(study_of(("a", "\u89d2"), resolutions=(224, 384), kinds=("complexity",)), tmp_path)
    assert "figures/macs.png" in written
    assert "The figure macs: Glyph 35282" in written["report.html"].decode()


def test_files_are_replaced_never_followed(study_of: Make, write: Write, tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").symlink_to(target)
    write(study_of(("a",), resolutions=(224,), kinds=("complexity",)), tmp_path / "out")
    assert target.read_text() == "precious"
    assert not (tmp_path / "out" / "report.html").is_symlink()


def test_the_report_starts_fast_and_without_torch() -> None:
    code = (
        "import sys, ablate.report\n"
        "assert not {'torch', 'matplotlib', 'seaborn', 'pandas'} & set(sys.modules)\n"
        "import ablate.report.write\n"
        "assert not {'torch', 'timm', 'blocks', 'optuna'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
