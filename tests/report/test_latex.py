"""LaTeX of tables: aligned, marked, footnoted, and compiled where TeX is present, without a line too wide."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ablate.report.align import aligned
from ablate.report.latex import to_latex
from ablate.report.register import table_entries
from ablate.report.render import to_markdown
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table, failed
from ablate.run.keyed_facts import FormulaFact, FormulaRecord, FormulaText

LONG = FormulaText(
    "C", r"\frac{129 C N}{2} + \frac{17 C^{2} N}{2} + 28 C N^{2} + \frac{C N}{2} + 132 C + 17 C N"
)


@pytest.fixture(scope="module")
def tables(opened: Callable[..., Results], full_study: pd.DataFrame, texts: dict[str, str]) -> list[Table]:
    names = ("params", "macs", "saved_fused", "saved_math")
    rows = tuple(FormulaRecord(f"window(size={n})", "O(N^2)", dict.fromkeys(names, LONG)) for n in range(3))
    settings = {
        name: {"widths": [32, 64, 160, 256], "ffn": "conv" if "a" in name else "mlp"} for name in texts
    }
    results = opened(
        full_study, study="50% & more", texts=texts, facts=[FormulaFact(rows)], settings=settings
    )
    made = (entry.make(results) for entry in table_entries())
    return [table for table in made if isinstance(table, Table)]


def simple(*cells: Cell) -> Table:
    return Table("t", "T", "c", (Column("N (G)"),), tuple((cell,) for cell in cells), pd.DataFrame())


def test_numbers_stand_at_one_point() -> None:
    texts = ["99.70 ± 0.35", "1049 ± 12", "4.1", "7", "tie", "–", "+0.412 ± 0.013", "12†"]
    places = aligned((Column("x"),), [[Cell(text)] for text in texts])
    seen = {}
    for text, (place,) in zip(texts, places, strict=True):
        assert place.value + place.error == text
        if text not in ("tie", "–"):
            whole = place.value.rstrip("†").partition(".")[0]
            seen[text] = len(place.value + place.between + place.error + place.behind) - len(whole)
    assert len(set(seen.values())) == 1, seen  # as many characters behind each point


def test_blanks_are_phantoms_and_text_columns_have_none() -> None:
    text = to_latex(simple(Cell("1.25"), Cell("30")), "t")
    assert r"30\phantom{.00} \\" in text
    assert r"1.25 \\" in text
    left = Table("t", "T", "", (Column("a", left=True),), ((Cell("1.25"),), (Cell("30"),)), pd.DataFrame())
    assert r"\phantom" not in to_latex(left, "t")


def test_best_and_second_are_marked() -> None:
    table = simple(Cell("3.0 ± 0.1", mark="best"), Cell("2.0", mark="second"), Cell("1.0"))
    text = to_latex(table, "t")
    assert r"\textbf{3.0} $\pm$ 0.1" in text
    assert r"\underline{2.0}" in text
    assert "**3.0 ± 0.1**" in to_markdown(table)
    assert "<u>2.0</u>" in to_markdown(table)


def test_failed_and_missing_cells_have_footnotes() -> None:
    table = simple(
        failed(["oom"], ["RuntimeError: out of memory"]),
        failed(["missing"]),
        failed(["oom"], ["RuntimeError: out of memory"]),
        failed(["error"]),
        Cell("–"),
    )
    text = to_latex(table, "t")
    assert text.count(r"oom\textsuperscript{1}") == 2
    assert r"missing\textsuperscript{2}" in text
    assert "1: oom: RuntimeError: out of memory" in text
    assert "2: missing: not run yet" in text
    assert r"error \\" in text  # nothing more is known
    assert "oom [1]" in to_markdown(table)
    assert "- [2] missing: not run yet" in to_markdown(table)


def test_a_tall_table_is_continued(tables: list[Table]) -> None:
    tall = max(tables, key=lambda table: len(table.rows))
    text = to_latex(tall, "tall")
    assert text.count(r"\caption{") == text.count(r"\label{") == 1
    assert text.count(r"\begin{table*}") >= 2
    assert text.count(r"Table~\ref{tab:tall}, continued") == text.count(r"\begin{table*}") - 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here")
@pytest.mark.parametrize("options", ["10pt,a4paper", "10pt,twocolumn"])
def test_latex_compiles_and_no_line_is_too_wide(tables: list[Table], tmp_path: Path, options: str) -> None:
    lines = [
        rf"\documentclass[{options}]{{article}}",
        r"\usepackage[margin=2.5cm]{geometry}\usepackage[T1]{fontenc}\usepackage{textcomp}",
        r"\usepackage{booktabs}\usepackage{array}\usepackage{graphicx}",
        r"\begin{document}",
        *(to_latex(table, table.name) + r"\clearpage" for table in tables),
        r"\end{document}",
    ]
    (tmp_path / "paper.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert re.findall(r"Overfull \\hbox.*", log) == []
    assert "Float too large" not in log
