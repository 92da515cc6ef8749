"""Columns that a study file chooses and names, and the table that defines every layout."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from ablate.report.columns import chosen
from ablate.report.register import table_entries
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.study.load import parse_study

Open = Callable[..., Results]


@pytest.fixture(scope="module")
def main(opened: Open, full_study: pd.DataFrame, texts: dict[str, str]) -> Table:
    table = table_entries()[0].make(opened(full_study, texts=texts))
    assert isinstance(table, Table)
    return table


def heads(table: Table) -> list[str]:
    return [column.header for column in table.columns]


def test_columns_are_chosen_in_their_order(main: Table) -> None:
    table, troubles = chosen(main, ["accuracy", "macs", "params"], {})
    assert troubles == []
    assert heads(table)[0] == "Layout"
    assert heads(table)[-2:] == ["MACs (G)", "Parameters (M)"]
    assert table.columns[1].group.startswith("Top-1")
    where = heads(main).index("MACs (G)")
    assert [row[-2] for row in table.rows] == [row[where] for row in main.rows]
    assert table.raw.equals(main.raw)


def test_a_measurement_means_its_whole_group(main: Table) -> None:
    table, _ = chosen(main, ["latency"], {})
    assert heads(table) == ["Layout", "ms per batch", "÷\u00a0baseline"]


def test_columns_are_renamed(main: Table) -> None:
    table, troubles = chosen(
        main, [], {"params": "Size (M)", "latency": "Time on my laptop", "mean": "Top-1"}
    )
    assert troubles == []
    assert heads(table)[1] == "Size (M)"
    assert "Top-1" in heads(table)
    assert [column.header for column in table.columns if column.group == "Time on my laptop"] == [
        "ms per batch", "÷\u00a0baseline",
    ]  # fmt: skip
    assert len(table.columns) == len(main.columns)


def test_unknown_columns_are_told_with_the_nearest(main: Table) -> None:
    table, troubles = chosen(main, ["parms"], {"fusd": "x"})
    assert heads(table) == heads(main)
    assert "no column 'parms'" in troubles[0]
    assert "did you mean 'fused'?" in troubles[1]


def test_a_study_file_says_them() -> None:
    study = parse_study(
        "layouts: {a: conv}\ndefaults: {widths: [8], depths: [1]}\n"
        "report: {columns: [params, macs], names: {params: Size (M)}}\n"
    )
    assert study.report.columns == ("params", "macs")
    assert study.report.names == {"params": "Size (M)"}


def test_layouts_are_defined_in_full(opened: Open, full_study: pd.DataFrame, texts: dict[str, str]) -> None:
    settings = {
        name: {
            "layout": text,
            "widths": [32, 64],
            "stem": "overlap",
            "ffn": "conv" if "graft" in name else "mlp",
        }
        for name, text in texts.items()
    }
    settings["alternate-softmax"]["widths"] = [30, 60]  # as matching leaves it
    settings["graft3-linear"] = {"layout": "timm:resnet18"}
    made = {entry.name: entry for entry in table_entries()}["layouts"].make(
        opened(full_study, texts=texts, settings=settings)
    )
    assert isinstance(made, Table)
    assert heads(made) == ["Layout", "definition", "widths", "ffn"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in made.rows}
    assert rows["alternate-softmax"] == ["alternate(conv, softmax)", "30 60", "mlp"]
    assert rows["graft3-window"] == ["graft(conv, window(size=7), from=3)", "32 64", "conv"]
    assert rows["graft3-linear"][1:] == ["–", "–"]
    assert "All layouts: stem overlap." in made.notes
    assert made.raw["stem"].dropna().unique().tolist() == ["overlap"]
