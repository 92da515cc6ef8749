"""CSV, Markdown and LaTeX of a table: full precision here, correct escaping there."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pandas as pd
import pytest

from ablate.report.register import table_entries
from ablate.report.render import escape_latex, to_csv, to_latex, to_markdown
from ablate.report.results import Results
from ablate.report.table import Cell, Column, Table


@pytest.fixture(scope="module")
def tables(opened: Callable[..., Results], full_study: pd.DataFrame, texts: dict[str, str]) -> list[Table]:
    results = opened(full_study, study="50% & more_{x}", texts=texts)
    made = (entry.make(results) for entry in table_entries())
    return [table for table in made if isinstance(table, Table)]


def test_csv_keeps_full_precision_and_names_units(tables: list[Table]) -> None:
    main = tables[0]
    back = pd.read_csv(io.StringIO(to_csv(main)))
    assert back["latency_ms"][0] == main.raw["latency_ms"][0]
    assert {"params", "macs", "flops", "latency_ms", "training_peak_math_bytes", "top1_percent_mean"} <= set(
        back
    )
    assert to_csv(main).splitlines()[1].startswith("alternate-key_only,13100126,2205000000,")


def test_latex_is_balanced_and_escaped(tables: list[Table]) -> None:
    for table in tables:
        text = to_latex(table, "label")
        code = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
        bare = re.sub(r"\\[\\%&_#${}]", "", code)
        assert bare.count("{") == bare.count("}"), table.name
        assert bare.count("$") % 2 == 0, table.name
        begun = re.findall(r"\\begin\{([\w*]+)\}", code)
        assert sorted(begun) == sorted(re.findall(r"\\end\{([\w*]+)\}", code)), table.name
        assert not re.search(r"(?<!\\)[_^#~]|(?<!\\)%(?!$)", bare.replace("~", ""), re.MULTILINE), table.name
        assert text.isascii() or not re.search("[±×÷−–²†]", text)


def test_latex_rows_have_as_many_cells_as_columns(tables: list[Table]) -> None:
    for table in tables:
        parts = to_latex(table, "label").split(r"\midrule")[1:]
        body = "".join(part.split(r"\bottomrule")[0] for part in parts)
        rows = [line for line in body.splitlines() if line.strip()]
        assert len(rows) == len(table.rows)
        for line in rows:
            assert len(re.findall(r"(?<!\\)&", line)) == len(table.columns) - 1


def test_grouped_heads_span_the_whole_table(tables: list[Table]) -> None:
    head = to_latex(tables[0], "label").split(r"\toprule")[1].split(r"\cmidrule")[0]
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", head)]
    ungrouped = sum(not column.group for column in tables[0].columns)
    assert sum(spans) + ungrouped == len(tables[0].columns)


def test_text_of_users_cannot_break_latex() -> None:
    assert escape_latex(r"a_b & 5% {x} \y $z^2$ #~") == (
        r"a\_b \& 5\% \{x\} \textbackslash{}y \$z\textasciicircum{}2\$ \#\textasciitilde{}"
    )


def test_a_cells_own_latex_is_taken_as_it_is() -> None:
    table = Table("t", "T", "", (Column("N"),), ((Cell("2CN^2", latex="$2CN^2$"),),), pd.DataFrame())
    assert r"$2CN^2$ \\" in to_latex(table, "t")


def test_markdown_has_a_row_per_row_and_shields_pipes() -> None:
    cells = ((Cell("conv | key_only"), Cell("1")),)
    text = to_markdown(
        Table("t", "T", "c", (Column("a", left=True), Column("b")), cells, pd.DataFrame(), ("n",))
    )
    assert r"conv \| key_only" in text
    assert text.startswith("## T")
    assert text.rstrip().endswith("- n")


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1 columns"):
        Table("t", "T", "", (Column("a"),), ((Cell("1"), Cell("2")),), pd.DataFrame())
