"""The page in a real browser, where there is one: no error, no request, nothing cut; it sorts and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import chromium
import pandas as pd
import pytest

from ablate.report.results import Results
from ablate.report.write import write_results

pytestmark = pytest.mark.skipif(chromium.PATH is None, reason="no chromium here")


@pytest.fixture(scope="module")
def page(
    opened: Callable[..., Results],
    full_study: pd.DataFrame,
    texts: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    settings = {name: {"layout": text, "widths": [32, 64]} for name, text in texts.items()}
    folder = tmp_path_factory.mktemp("page")
    write_results(opened(full_study, study="a-study", texts=texts, settings=settings), folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    started = chromium.Browser()
    yield started
    started.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_and_complains_of_nothing(
    browser: chromium.Browser, page: Path, width: int, dark: bool
) -> None:
    browser.console.clear()
    browser.requests.clear()
    browser.open(page, width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    figures = "[...document.querySelectorAll('figure svg')].filter((drawn) => drawn.clientWidth)"
    assert browser.evaluate(f"{figures}.length") == 5  # one of the two of each
    assert (
        browser.evaluate(f"Math.max(...{figures}.map((drawn) => drawn.getBoundingClientRect().right))")
        <= width
    )
    assert browser.console == []
    assert browser.requests == [page.resolve().as_uri()]


def test_main_table_is_whole_on_a_desktop_and_keeps_its_names_on_a_phone(
    browser: chromium.Browser, page: Path
) -> None:
    browser.open(page, 1280)
    assert browser.evaluate("document.querySelector('#table-main').parentElement.scrollWidth") <= 1280
    cut = "(() => {const box = document.querySelector('#table-main').parentElement;"
    assert browser.evaluate(cut + "return box.scrollWidth - box.clientWidth})()") <= 0
    browser.open(page, 390)
    left = browser.evaluate(
        cut + "box.scrollLeft = 300; return box.querySelector('tbody td').getBoundingClientRect().left})()"
    )
    assert 0 <= left < 30  # it stays where it was


def test_text_is_legible_in_both_schemes(browser: chromium.Browser, page: Path) -> None:
    contrast = """(() => {
      const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
      const paper = light(getComputedStyle(document.body).backgroundColor);
      const kinds = 'p, td, th button, dt, dd, a, figcaption, summary, li, h1, h2, h3';
      const words = [...document.querySelectorAll(kinds)];
      return Math.min(...words.map((word) => light(getComputedStyle(word).color))
        .map((ink) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)));
    })()"""
    for dark in (False, True):
        browser.open(page, 1280, dark=dark)
        assert browser.evaluate(contrast) >= 4.5, f"dark: {dark}"  # WCAG 2.1, AA


def test_sorting_and_filtering(browser: chromium.Browser, page: Path) -> None:
    browser.open(page, 1280)
    column = "[...document.querySelectorAll('#table-main tbody tr')].map((row) => +row.cells[1].dataset.sort)"
    before = browser.evaluate(column)
    browser.evaluate("document.querySelectorAll('#table-main thead tr:last-child button')[1].click()")
    assert browser.evaluate(column) == sorted(before)
    browser.evaluate("document.querySelectorAll('#table-main thead tr:last-child button')[1].click()")
    assert browser.evaluate(column) == sorted(before, reverse=True)
    shown = browser.evaluate(
        """(() => {
          const box = document.querySelector('input[data-table=table-scaling]');
          box.value = 'graft3 1024';
          box.dispatchEvent(new Event('input'));
          return [...document.querySelectorAll('#table-scaling tbody tr')].filter((row) => !row.hidden)
            .map((row) => row.cells[0].textContent);
        })()"""
    )
    assert shown == [f"graft3-{mixer}" for mixer in ("key_only", "softmax", "window", "linear")]
