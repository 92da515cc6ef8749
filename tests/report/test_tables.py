"""The tables' contents against known values: errors, ties, failures and what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from ablate.report.register import table_entries
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.report.tables.main import main_table

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]


def all_tables(results: Results) -> list[Table]:
    made = (entry.make(results) for entry in table_entries())
    return [table for table in made if isinstance(table, Table)]


def cell(table: Table, layout: str, header: str) -> str:
    index = next(
        i for i, column in enumerate(table.columns) if column.header.replace("\u00a0", " ") == header
    )
    return next(row[index].text for row in table.rows if row[0].text == layout)


@pytest.fixture(scope="module")
def results(opened: Open, full_study: pd.DataFrame, texts: dict[str, str]) -> Results:
    return opened(full_study, study="made up", baseline="alternate-key_only", texts=texts)


@pytest.fixture(scope="module")
def main(results: Results) -> Table:
    return main_table(results)


@pytest.fixture(scope="module")
def tables(results: Results) -> dict[str, Table]:
    return {table.name: table for table in all_tables(results)}


def test_main_table_has_every_layout_once_in_the_plans_order(main: Table, results: Results) -> None:
    assert [row[0].text for row in main.rows] == list(results.layouts)


def test_macs_and_flops_do_not_share_a_column(main: Table) -> None:
    assert cell(main, "alternate-key_only", "MACs (G)") == "2.205"
    row = main.raw.set_index("layout").loc["alternate-key_only"]
    assert (row["macs"], row["flops"]) == (2_205_000_000, 4_410_000_000)
    assert row["training_macs"] == 3 * 2_205_000_000 - 118_013_952


def test_memory_is_shown_by_kernel_with_the_measured_peak_beside(main: Table) -> None:
    row = main.raw.set_index("layout").loc["alternate-softmax"]
    assert row["training_peak_math_bytes"] > row["training_peak_fused_bytes"]
    assert row["training_peak_measured_bytes"] == round(row["training_peak_fused_bytes"] * 1.013)
    assert cell(main, "alternate-softmax", "math") == "43.1"


def test_a_ratio_has_its_number_and_its_word(main: Table) -> None:
    assert cell(main, "alternate-linear", "÷ baseline") == "1.004 ± 0.013 not resolved"
    assert cell(main, "alternate-window", "÷ baseline") == "1.220 ± 0.013 worse"
    assert cell(main, "alternate-key_only", "÷ baseline") == "1"


def test_accuracy_mean_and_interval_are_students(opened: Open, study_of: Make) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3)
    for layout, values in {"a": (90.0, 91.0, 92.0), "b": (90.1, 90.9, 92.1)}.items():
        for index in frame.index[(frame["kind"] == "accuracy") & (frame["layout"] == layout)]:
            frame.at[index, "values"] = {"top1": values[frame.at[index, "condition"]["seed"]]}
    table = main_table(opened(frame, study="s", baseline="a"))
    assert cell(table, "a", "mean") == "91.0 ± 2.5"  # 4.303 * 1 / sqrt(3)
    assert cell(table, "b", "− baseline") == "+0.03 ± 0.29 not resolved"
    row = table.raw.set_index("layout").loc["b"]
    assert row["top1_difference_points"] == pytest.approx(0.1 / 3)
    assert row["top1_difference_verdict"] == "not resolved"


def test_a_paired_difference_can_be_resolved_although_the_means_overlap(opened: Open, study_of: Make) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3)
    for layout, values in {"a": (90.0, 91.0, 92.0), "b": (90.5, 91.52, 92.48)}.items():
        for index in frame.index[(frame["kind"] == "accuracy") & (frame["layout"] == layout)]:
            frame.at[index, "values"] = {"top1": values[frame.at[index, "condition"]["seed"]]}
    table = main_table(opened(frame, study="s", baseline="a"))
    assert cell(table, "b", "− baseline") == "+0.500 ± 0.050 better"


def test_failed_seeds_are_counted_and_failed_layouts_keep_their_row(main: Table) -> None:
    assert cell(main, "graft3-linear", "seeds") == "4 of 5"
    assert cell(main, "graft3-window", "mean") == "missing"
    assert cell(main, "graft3-window", "seeds") == "0 of 5"


def test_one_process_gives_no_error_and_says_so(opened: Open, study_of: Make) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), kinds=("throughput",))
    for index in frame.index:
        changes = dict.fromkeys(("low_ms", "high_ms", "ratio_low", "ratio_high", "tie"))
        frame.at[index, "values"] = frame.at[index, "values"] | changes
    table = main_table(opened(frame, study="s", baseline="a"))
    assert "±" not in cell(table, "b", "ms per batch")
    assert any("one process" in note for note in table.notes)


def test_failed_cells_are_listed_with_their_reasons(tables: dict[str, Table]) -> None:
    missing = tables["missing"]
    assert len(missing.rows) == 9
    text = missing.raw.to_csv()
    for reason in ("RuntimeError: out of memory", "loss is nan at step 41", "never run", "has changed"):
        assert reason in text
    assert missing.caption.startswith("9 of 200 planned cells")


def test_notes_name_what_is_missing_resolvable_and_reconstructed(main: Table) -> None:
    notes = " ".join(main.notes)
    for part in ("1 accuracy diverged", "5 accuracy missing", "5 seeds", "reconstructions", "runs: fused"):
        assert part in notes


def test_reconstruction_is_only_mentioned_where_it_is_used(opened: Open, study_of: Make) -> None:
    frame = study_of(("softmax", "conv"), resolutions=(224,), kinds=("complexity",))
    assert "reconstruction" not in " ".join(main_table(opened(frame, study="s")).notes)


def test_uncounted_operators_mark_the_row(opened: Open, study_of: Make) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), kinds=("complexity",))
    frame.at[0, "values"] = frame.at[0, "values"] | {"uncounted": ["aten._fft_r2c"]}
    table = main_table(opened(frame, study="s"))
    assert cell(table, "a", "MACs (G)").endswith("†")
    assert not cell(table, "b", "MACs (G)").endswith("†")
    assert any("aten._fft_r2c" in note for note in table.notes)


def test_a_busy_machine_is_reported(opened: Open, study_of: Make) -> None:
    frame = study_of(("a",), resolutions=(224,), kinds=("throughput",))
    frame.at[0, "values"] = frame.at[0, "values"] | {"busy": True, "load_average": 7.5}
    assert any("busy" in note and "7.5" in note for note in main_table(opened(frame, study="s")).notes)


def test_shared_conditions_stand_in_the_caption_and_seed_0_is_named(tables: dict[str, Table]) -> None:
    caption = tables["throughput"].caption
    assert "batch 32, precision fp32, threads 1, device cpu" in caption
    assert "condition" not in [column.header for column in tables["throughput"].columns]
    assert "seed 0" in tables["missing"].raw["condition"].tolist()


def test_stage_shares_add_up(tables: dict[str, Table]) -> None:
    totals = tables["stages"].raw.groupby("layout")["macs"].sum()
    assert totals["alternate-key_only"] == pytest.approx(2_205_000_000, abs=6)


def test_scaling_table_has_every_resolution(tables: dict[str, Table]) -> None:
    assert len(tables["scaling"].rows) == 8 * 5
    assert {"macs", "flops", "elementwise_ops", "training_peak_math_bytes"} <= set(tables["scaling"].raw)


def test_every_seed_has_its_row(tables: dict[str, Table]) -> None:
    assert len(tables["seeds"].rows) == 40
    row = tables["seeds"].raw.query("layout == 'graft3-linear' and seed == 2").iloc[0]
    assert row["status"] == "diverged"
    assert pd.isna(row["top1_percent"])


def test_audit_errors_are_signed_and_name_their_operators(opened: Open) -> None:
    tool = {
        "tool": "fvcore",
        "version": "0.1",
        "unit": "flops",
        "status": "ok",
        "macs": 950_000_000,
        "error": -50_000_000,
        "error_percent": -5.0,
        "left_out": {"sdpa": 50_000_000},
        "added": {},
    }
    record = {
        "layout": "a",
        "kind": "audit",
        "condition": {"resolution": 224, "mode": "as-called", "training": False},
        "status": "done",
        "reason": "",
        "values": {"macs": 1_000_000_000, "rows": [tool]},
        "provenance": {},
    }
    tables = {t.name: t for t in all_tables(opened(pd.DataFrame([record]), study="s"))}
    texts = [cell.text for cell in tables["audit"].rows[0]]
    assert "−5.00" in texts
    assert "sdpa 50.0 M" in texts
