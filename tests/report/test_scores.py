"""Further scores, recall and confusions of the trained models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablate.report.confusions import confusions
from ablate.report.drawing import Drawn
from ablate.report.figures.confusion import confusion_figure
from ablate.report.register import table_entries
from ablate.report.results import Results
from ablate.report.style import paper_style
from ablate.report.table import Table
from ablate.report.tables.classes import class_table
from ablate.report.tables.scores import score_table
from ablate.run.facts import ClassesFact

Open = Callable[..., Results]
COUNTS = {"a": [[8, 2, 0], [1, 9, 0], [0, 5, 5]], "b": [[9, 1, 0], [0, 10, 0], [0, 1, 9]]}


@pytest.fixture
def frame(study_of: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Two layouts, three seeds, with answers, an average, two sizes and a change."""
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3, kinds=("accuracy",))
    for index in frame.index:
        name, seed = frame.at[index, "layout"], frame.at[index, "condition"]["seed"]
        top1 = 70.0 + 2 * seed + (name == "b")
        frame.at[index, "values"] = frame.at[index, "values"] | {
            "top1": top1,
            "balanced": top1,
            "ema_top1": top1 + 1,
            "at_resolution": {"24": top1 - 10, "48": top1 - 3 * (name == "b")},
            "under_shift": {"fog": top1 - 20},
            "confusion": COUNTS[name],
        }
    return frame


def made(table: Table | None) -> Table:
    assert table is not None
    return table


def test_every_score_has_its_difference(opened: Open, frame: pd.DataFrame) -> None:
    table = made(score_table(opened(frame, study="s", baseline="a")))
    raw = table.raw.set_index(["score", "layout"])
    assert list(dict.fromkeys(raw.index.get_level_values(0))) == [
        "ema_accuracy", "shift_accuracy", "resolution_accuracy", "accuracy, 24 px", "accuracy, 48 px",
        "accuracy, fog",
    ]  # fmt: skip
    assert raw.loc[("accuracy, 24 px", "a"), "percent_mean"] == pytest.approx(62)
    assert raw.loc[("accuracy, 24 px", "b"), "percent_difference"] == pytest.approx(1)
    assert raw.loc[("accuracy, 48 px", "b"), "percent_difference"] == pytest.approx(-2)
    assert raw.loc[("accuracy, fog", "b"), "percent_mean"] == pytest.approx(53)
    assert [row[4].text for row in table.rows if row[1].text == "a"] == ["0"] * 6


def test_balanced_accuracy_is_shown_where_it_is_not_top1(opened: Open, frame: pd.DataFrame) -> None:
    for index in frame.index:
        frame.at[index, "values"] = frame.at[index, "values"] | {"balanced": 50.0}
    table = made(score_table(opened(frame, study="s", baseline="a")))
    assert table.raw["score"].iloc[0] == "balanced_accuracy"


def test_nothing_asked_is_no_table(opened: Open, study_of: Callable[..., pd.DataFrame]) -> None:
    results = opened(study_of(("a", "b"), resolutions=(224,), seeds=3), study="s", baseline="a")
    assert score_table(results) is None
    assert class_table(results) is None
    assert confusion_figure(results) is None


def test_recall_and_what_classes_are_taken_for(opened: Open, frame: pd.DataFrame) -> None:
    results = opened(frame, study="s", baseline="a", facts=[ClassesFact(("ant", "bee", "cow"))])
    (ours, _) = confusions(results)
    np.testing.assert_allclose(ours.mean, 10 * np.array(COUNTS["a"]))
    table = made(class_table(results))
    shown = [(row[0].text, row[1].text, row[2].sort, row[3].text) for row in table.rows]
    assert shown[:3] == [("a", "ant", 80, "bee"), ("a", "bee", 90, "ant"), ("a", "cow", 50, "bee")]
    assert shown[4] == ("b", "bee", 100, "–")
    assert len(table.raw) == 2 * 9
    whole = table.raw.groupby(["layout", "class"])["share_percent_mean"].sum()
    np.testing.assert_allclose(whole, 100)


def test_classes_without_names_or_images(opened: Open, frame: pd.DataFrame) -> None:
    for index in frame.index:
        frame.at[index, "values"] = frame.at[index, "values"] | {"confusion": [[5, 5], [0, 0]]}
    results = opened(frame, study="s", baseline="a", facts=[ClassesFact(("ant", "bee", "cow"))])
    table = made(class_table(results))
    assert [row[1].text for row in table.rows] == ["0", "1"] * 2
    assert [row[2].text for row in table.rows[:2]] == ["50.0 ± 0", "–"]


def test_the_figure_shows_the_baseline_and_those_that_differ(opened: Open, frame: pd.DataFrame) -> None:
    with paper_style():
        drawn = confusion_figure(opened(frame, study="s", baseline="a"))
    assert isinstance(drawn, Drawn)
    first, second = (panel.images[0].get_array() for panel in drawn.figure.axes)
    assert np.isnan(np.ma.filled(first, np.nan)[0, 0])
    assert first[2, 1] == 50
    np.testing.assert_allclose(second, 10.0 * (np.array(COUNTS["b"]) - np.array(COUNTS["a"])))


def test_any_quantity_may_be_a_column(opened: Open, frame: pd.DataFrame) -> None:
    results = opened(frame, study="s", baseline="a", columns=("accuracy", "ema_accuracy", "core_seconds"))
    (main,) = (entry.make(results) for entry in table_entries() if entry.name == "main")
    assert isinstance(main, Table)
    heads = [column.key for column in main.columns]
    place = heads.index("ema_accuracy")
    assert [row[place].sort for row in main.rows] == pytest.approx([73, 74])
    assert "core_seconds" in heads
    assert main.raw["ema_accuracy_percent"].tolist() == pytest.approx([73, 74])


def test_a_run_leaves_the_names_of_its_classes(ablate: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "input: {resolution: 8, channels: 1, classes: 10}\n"
        "defaults: {stem: overlap(stride=2), widths: [8], depths: [1]}\nlayouts: {a: conv, b: pool}\n"
        "measure: {accuracy: {dataset: digits, epochs: 1, subset: 32, seeds: 2, precision: fp32, "
        "test_resolutions: [12], shifts: [fog]}}\n"
    )
    ended = ablate("run", file, "--out", tmp_path / "out", "--workers", 1)
    assert ended.code == 0, ended.err
    classes = pd.read_csv(tmp_path / "out" / "tables" / "classes.csv")
    assert set(classes["class"]) == set(range(10))
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    assert {"accuracy, 12 px", "accuracy, fog"} < set(scores["score"])
    assert (tmp_path / "out" / "figures" / "confusion.png").is_file()
