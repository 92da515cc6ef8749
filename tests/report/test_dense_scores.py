"""Scores of dense tasks over seeds: means in every table, differences with their number and their word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pytest
from scipy import stats

from ablate.report.findings import findings
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.report.tables.main import main_table
from ablate.report.tables.segmentation import segmentation_table

Open = Callable[..., Results]
SCORES = {"a": (30.0, 34.0, 35.0), "b": (31.0, 35.1, 35.9), "c": (29.0, 35.0, 33.0)}


def rows(scores: Mapping[str, Sequence[float]], *, freeze: bool = False) -> pd.DataFrame:
    made = []
    for layout, values in scores.items():
        for seed, value in enumerate(values):
            shared = {"train_loss": 1.0, "images_seen": 16, "steps": 1, "seconds": 1.0, "images_per_s": 16.0}
            made.append(
                {
                    "layout": layout,
                    "kind": "segmentation",
                    "condition": {"dataset": "cutouts:shapes", "seed": seed, "freeze": freeze},
                    "status": "done",
                    "reason": "",
                    "provenance": {},
                    "values": shared
                    | {
                        "curve": [],
                        "test": "images",
                        "weights": "none",
                        "schedule": {"name": "short", "batch": 16},
                    }
                    | {"data": {"dataset": "cutouts", "source": "shapes", "classes": 5, "test_images": 200}}
                    | {"scores": {"miou": value, "class_accuracy": 50.0, "pixel_accuracy": 87.0, "iou": {}}},
                }
            )
    return pd.DataFrame(made)


def cell(table: Table, layout: str, header: str) -> str:
    heads = [column.header.replace("\u00a0", " ") for column in table.columns]
    return next(row[heads.index(header)].text for row in table.rows if row[0].text == layout)


def test_the_main_table_has_the_mean_over_seeds(opened: Open) -> None:
    table = main_table(opened(rows(SCORES), baseline="a"))
    assert cell(table, "a", "mIoU (%)") == "33.0 ± 6.6"  # 4.303 * 2.646 / sqrt(3)
    raw = table.raw.set_index("layout")
    assert raw.loc["c", "miou_percent"] == pytest.approx(97 / 3)


def test_one_seed_has_its_value(opened: Open) -> None:
    table = main_table(opened(rows({"a": (30.0,)})))
    assert cell(table, "a", "mIoU (%)") == "30.0"


def test_a_difference_has_its_number_its_word_and_holms_p(opened: Open) -> None:
    table = segmentation_table(opened(rows(SCORES), baseline="a"))
    assert table is not None
    assert cell(table, "a", "− baseline") == "0"
    assert cell(table, "b", "− baseline") == "+1.00 ± 0.25 better"
    assert cell(table, "c", "− baseline") == "−0.7 ± 3.8 not resolved"
    raw = table.raw.set_index("layout")
    own = [stats.ttest_rel(SCORES[name], SCORES["a"]).pvalue for name in ("b", "c")]
    assert raw.loc["b", "miou_percent_difference_p"] == pytest.approx(own[0])
    assert raw.loc["b", "miou_percent_difference_p_holm"] == pytest.approx(2 * own[0])
    assert raw.loc["c", "miou_percent_difference_p_holm"] == pytest.approx(own[1])


def test_a_margin_makes_layouts_equivalent(opened: Open) -> None:
    table = segmentation_table(opened(rows(SCORES), baseline="a", equivalent_within=3.0))
    assert table is not None
    assert cell(table, "b", "− baseline") == "+1.00 ± 0.25 equivalent"


def test_what_the_seeds_resolve_is_said(opened: Open) -> None:
    table = segmentation_table(opened(rows(SCORES), baseline="a"))
    assert table is not None
    assert "corrected for 2 comparisons" in table.notes[0]
    alone = segmentation_table(opened(rows({"a": (30.0,), "b": (31.0,)}), baseline="a"))
    assert alone is not None
    assert alone.notes[0] == "One seed tells no difference in mIoU from chance."


def test_the_floor_stands_apart_and_what_the_backbone_adds_beside_it(opened: Open) -> None:
    frozen = {"a": (20.0, 21.0, 22.0), "b": (31.0, 35.0, 36.1), "c": (10.0, 11.0, 13.0)}
    results = opened(pd.concat([rows(SCORES), rows(frozen, freeze=True)]), baseline="a")
    table = segmentation_table(results)
    assert table is not None
    assert cell(table, "a", "mean") == "33.0 ± 6.6"  # without the frozen runs
    assert cell(table, "a", "frozen") == "21.0 ± 2.5"
    assert cell(table, "a", "− frozen") == "+12.0 ± 4.3 better"
    assert cell(table, "b", "− frozen") == "−0.03 ± 0.38 not resolved"
    raw = table.raw.set_index("layout")
    assert raw.loc["a", "miou_percent_frozen_mean"] == pytest.approx(21.0)
    assert raw.loc["a", "miou_percent_over_frozen"] == pytest.approx(12.0)
    assert raw.loc["a", "miou_percent_over_frozen_p"] == pytest.approx(
        stats.ttest_rel(SCORES["a"], frozen["a"]).pvalue
    )
    assert cell(main_table(results), "a", "mIoU (%)") == "33.0 ± 6.6"


def test_without_frozen_runs_there_is_no_floor(opened: Open) -> None:
    table = segmentation_table(opened(rows(SCORES), baseline="a"))
    assert table is not None
    assert "frozen" not in [column.header for column in table.columns]


def test_the_findings_say_what_the_table_says(opened: Open) -> None:
    (finding,) = findings(opened(rows(SCORES), baseline="a"), ())
    assert finding.title == "mIoU, against a"
    assert [(verdict.word, verdict.layouts) for verdict in finding.verdicts] == [
        ("better", ("b (+1.00 ± 0.25 points)",)),
        ("not resolved", ("c (−0.7 ± 3.8 points)",)),
    ]
