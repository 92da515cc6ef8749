"""Growth with the resolution in the report: exponents, crossovers, roofline, formulas, budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablate.report import style
from ablate.report.crossings import Crossing, crossings, marks
from ablate.report.figures.latency import latency_figure
from ablate.report.figures.memory import memory_figure
from ablate.report.render import to_latex
from ablate.report.results import Results
from ablate.report.table import Table
from ablate.report.tables.budget import budget_table
from ablate.report.tables.crossovers import crossover_table
from ablate.report.tables.exponents import exponent_table
from ablate.report.tables.formulas import formula_table, raised
from ablate.report.tables.throughput import throughput_table
from ablate.report.write import write_results
from ablate.run.facts import MatchFact
from ablate.run.keyed_facts import FormulaFact

Open = Callable[..., Results]
Make = Callable[..., pd.DataFrame]
SIDES = (64, 128, 256)
PEAK = {
    "macs_per_second": 5e10,
    "bytes_per_second": 1e10,
    "threads": 1,
    "device": "cpu",
    "name": "Made-up CPU",
    "load_average": 0.25,
}


def crossover(a: str, b: str, quantity: str, resolution: int | None, less: bool, note: str) -> dict[str, Any]:
    value = None if resolution is None else 3 * 2**20
    return {
        "a": a, "b": b, "quantity": quantity, "resolution": resolution, "value": value, "less": less,
        "method": "polynomial", "note": note,
    }  # fmt: skip


def scaling_row(layout: str, crossovers: Sequence[dict[str, Any]] = (), power: int = 1) -> dict[str, Any]:
    """A scaling cell whose MACs grow as that power of N, and its roofline from 10 ms at 64 px likewise."""
    macs = [side ** (2 * power) for side in SIDES]
    exponents = [{"from": side, "to": 2 * side, "exponent": float(power)} for side in SIDES[:2]]
    return {
        "layout": layout,
        "kind": "scaling",
        "condition": {
            "resolutions": list(SIDES), "timed_resolutions": list(SIDES), "timed_batch": 2, "device": "cpu",
            "threads": 1,
        },
        "status": "done",
        "reason": "",
        "values": {
            "baseline": "soft",
            "peak": PEAK,
            "resolutions": list(SIDES),
            "curves": {"macs": {"values": macs, "exponents": exponents}},
            "crossovers": list(crossovers),
            "timed": {
                "batch": 2,
                "resolutions": list(SIDES),
                "roofline_ms": [10 * (side / 64) ** (2 * power) for side in SIDES],
            },
        },
        "provenance": {},
        "created": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip


def timed_row(layout: str, side: int, latency: float, ratio: float, error: float) -> dict[str, Any]:
    """A timing whose ratio's interval is a factor of 1 + error to both sides."""
    values = {
        "latency_ms": latency, "low_ms": latency / 1.1, "high_ms": latency * 1.1, "images_per_s": 1.0,
        "process_ms": [latency], "ratio": ratio, "ratio_low": ratio / (1 + error),
        "ratio_high": ratio * (1 + error), "ratio_to": "soft",
    }  # fmt: skip
    condition = {
        "resolution": side, "mode": "inference", "precision": "fp32", "batch": 2, "threads": 1,
        "compile": False, "device": "cpu",
    }  # fmt: skip
    row = scaling_row(layout)
    return row | {"kind": "throughput", "condition": condition, "values": values}


def rows_of(*scaling: dict[str, Any], ratios: dict[str, tuple[Sequence[float], float]]) -> pd.DataFrame:
    """The baseline `soft` needs 20, 320 and 5120 ms; the others these ratios of it, with their errors."""
    base = {side: 20 * (side / 64) ** 4 for side in SIDES}
    timed = [timed_row("soft", side, base[side], 1.0, 0.0) for side in SIDES]
    for name, (values, error) in ratios.items():
        timed += [timed_row(name, s, base[s] * r, r, error) for s, r in zip(SIDES, values, strict=True)]
    return pd.DataFrame([scaling_row("soft", power=2), *scaling, *timed])


@pytest.fixture
def frame() -> pd.DataFrame:
    key = scaling_row(
        "key",
        [
            crossover("key", "soft", "macs", None, True, "less at every resolution, 64 to 256 px"),
            crossover("soft", "key", "macs", None, False, "nowhere less, 64 to 256 px"),
            crossover(
                "key", "soft", "training_fused", None, False, "not less at 256 px; less at 64 to 96 px"
            ),
            crossover("soft", "key", "training_fused", 100, True, ""),
        ],
    )
    conv = scaling_row(
        "conv",
        [
            crossover("conv", "soft", "macs", 128, True, ""),
            crossover("soft", "conv", "macs", None, False, "not less at 256 px; less at 64 to 124 px"),
        ],
    )
    # the ratio falls as 1/r, so that key crosses 1 at 128 * 1.25 = 160 px; conv's is 1 within its error
    return rows_of(key, conv, ratios={"key": ((2.5, 1.25, 0.625), 0.1), "conv": ((1.01, 1.0, 0.99), 0.05)})


@pytest.fixture
def results(opened: Open, frame: pd.DataFrame) -> Results:
    return opened(frame, baseline="soft")


def crossings_of(results: Results) -> dict[tuple[str, str], Crossing]:
    return {(crossing.layout, crossing.quantity): crossing for crossing in crossings(results)}


def column(table: Table, header: str) -> list[str]:
    index = [column.header for column in table.columns].index(header)
    return [row[index].text for row in table.rows]


def test_counted_verdicts(results: Results) -> None:
    by_pair = crossings_of(results)
    assert by_pair["key", "macs"].verdict == "cheaper"
    assert by_pair["key", "macs"].note == "cheaper at every resolution, 64 to 256 px"
    assert (by_pair["key", "training_fused"].verdict, by_pair["key", "training_fused"].resolution) == (
        "dearer from",
        100,
    )
    assert (by_pair["conv", "macs"].verdict, by_pair["conv", "macs"].resolution) == ("cheaper from", 128)
    assert not [layout for layout, _ in by_pair if layout == "soft"]


def test_measured_crossovers_have_an_interval_or_are_not_resolved(results: Results) -> None:
    by_pair = crossings_of(results)
    key = by_pair["key", "latency"]
    assert (key.verdict, key.note) == ("cheaper from", "")
    assert key.resolution == pytest.approx(160)
    assert key.low == pytest.approx(160 / 1.1)
    assert key.high == pytest.approx(160 * 1.1)
    assert key.value == pytest.approx(20 * (160 / 64) ** 4)
    conv = by_pair["conv", "latency"]
    assert (conv.verdict, conv.resolution) == ("not resolved", None)
    assert conv.note == "the ratio's interval holds 1 at 64, 128, 256 px"


@pytest.mark.parametrize(
    ("ratios", "verdict", "low"),
    [
        pytest.param((0.5, 0.4, 0.3), "cheaper", None, id="always faster"),
        pytest.param((2.0, 3.0, 4.0), "dearer", None, id="always slower"),
        pytest.param((0.4, 0.8, 1.6), "dearer from", 160 / 1.1, id="slower at the end"),
        pytest.param((1.01, 0.5, 0.25), "cheaper from", None, id="a tie at first"),
    ],
)
def test_verdicts_on_latency(opened: Open, ratios: Sequence[float], verdict: str, low: float | None) -> None:
    results = opened(rows_of(scaling_row("key"), ratios={"key": (ratios, 0.1)}), baseline="soft")
    crossing = crossings_of(results)["key", "latency"]
    assert crossing.verdict == verdict
    assert crossing.low == (None if low is None else pytest.approx(low))


def test_crossover_table(results: Results) -> None:
    table = crossover_table(results)
    assert table is not None
    assert [column.header for column in table.columns] == [
        "Layout", "MACs", "training, fused", "Latency",
    ]  # fmt: skip
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["key", "always", "dearer from 100", "from 160 [145, 176]"],
        ["conv", "from 128", "–", "not resolved"],
    ]
    assert table.raw["value"].tolist()[2] == 3 * 2**20
    assert any("50.0 GMACs/s and 10.0 GB/s, load average 0.25" in note for note in table.notes)


def test_a_layout_without_curves_says_why(opened: Open, frame: pd.DataFrame) -> None:
    index = frame.index[(frame["kind"] == "scaling") & (frame["layout"] == "conv")][0]
    frame.at[index, "status"], frame.at[index, "reason"], frame.at[index, "values"] = "error", "no room", {}
    table = crossover_table(opened(frame, baseline="soft"))
    assert table is not None
    cells = table.rows[1]
    assert [cell.text for cell in cells] == ["conv", "error", "error", "not resolved"]
    assert cells[1].hint == "no room"


def test_exponent_table(results: Results) -> None:
    table = exponent_table(results)
    assert table is not None
    assert [column.header for column in table.columns][2:] == ["64→128", "128→256"]
    rows = {(row[0].text, row[1].text): [cell.text for cell in row[2:]] for row in table.rows}
    assert rows["soft", "MACs"] == ["2.000", "2.000"]
    assert rows["key", "MACs"] == ["1.000", "1.000"]
    error = math.hypot(math.log(1.1), math.log(1.1)) / math.log(4)  # both intervals are a factor of 1.1
    measured = table.raw[(table.raw["quantity"] == "latency") & (table.raw["layout"] == "key")]
    np.testing.assert_allclose(measured["exponent"], [1.5, 1.5])  # N^2 divided by the square root of N
    np.testing.assert_allclose(measured["half_width"], error)


def test_roofline_stands_beside_what_was_measured(results: Results) -> None:
    table = throughput_table(results)
    assert table is not None
    assert column(table, "roofline ms")[:3] == ["10.0", "160", "2560"]
    assert column(table, "÷\u00a0roofline")[:3] == ["2.0", "2.0", "2.0"]


def test_another_batch_has_no_roofline(opened: Open, frame: pd.DataFrame) -> None:
    for index in frame.index[frame["kind"] == "throughput"]:
        frame.at[index, "condition"] = frame.at[index, "condition"] | {"batch": 4}
    table = throughput_table(opened(frame, baseline="soft"))
    assert table is not None
    assert set(column(table, "roofline ms")) == {"–"}


def test_studies_without_growth_are_as_before(opened: Open, study_of: Make) -> None:
    results = opened(study_of(("a", "b"), resolutions=(224, 448)))
    assert exponent_table(results) is None
    assert crossover_table(results) is None
    table = throughput_table(results)
    assert table is not None
    assert "roofline ms" not in [column.header for column in table.columns]


def test_figures_mark_crossovers_and_draw_the_roofline(
    opened: Open, results: Results, study_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with style.paper_style():
        drawn = latency_figure(results)
        assert drawn is not None
        panel = drawn.figure.axes[0]
        dotted = [line for line in panel.lines if line.get_linestyle() == ":"]
        np.testing.assert_allclose(dotted[0].get_ydata(orig=False), [10, 160, 2560])
        assert [text.get_text() for text in panel.texts] == ["160"]
        assert "key needs less than soft from 160 px" in drawn.caption
        peaks = study_of(("key", "soft"), resolutions=(64, 128), kinds=("complexity",))
        known = marks(crossings(results))
        monkeypatch.setattr("ablate.report.figures.memory.crossings", lambda _: known)
        drawn = memory_figure(opened(peaks, baseline="soft"))
        assert drawn is not None
        assert [text.get_text() for text in drawn.figure.axes[1].texts] == ["100"]
        assert "soft needs less than key from 100 px" in drawn.caption


FORMULAS = [
    {
        "block": "key_only",
        "order": "O(N)",
        "formulas": {
            "params": {"text": "3*C**2 + 129*C/32", "latex": "3 C^{2}", "condition": ""},
            "macs": {"text": "3*C**2*N", "latex": "3 C^{2} N", "condition": "C a multiple of 64"},
        },
        "note": "",
    },
    {"block": "mine(a=1)", "order": "unknown", "formulas": {}, "note": "cannot be analysed"},
]


@pytest.fixture
def formulas() -> FormulaFact:
    return FormulaFact.from_json({"rows": FORMULAS})


def test_formulas_are_text_and_latex(opened: Open, frame: pd.DataFrame, formulas: FormulaFact) -> None:
    table = formula_table(opened(frame, facts=[formulas]))
    assert table is not None
    assert [cell.text for cell in table.rows[0]] == ["key_only", "3C² + 129C/32", "3C²N (a)", "O(N)"]
    assert [cell.text for cell in table.rows[1]] == ["mine(a=1)", "–", "–", "unknown"]
    assert table.notes[0] == "a: C a multiple of 64."
    latex = to_latex(table, "formulas")
    assert r"\texttt{key\_only} & $3 C^{2}$ & $3 C^{2} N$\textsuperscript{a} & $O(N)$ \\" in latex
    assert formula_table(opened(frame)) is None


def test_powers_are_raised() -> None:
    assert raised("4*C**2*N + 2*C*N**2 - C*N**12") == "4C²N + 2CN² − CN¹²"
    assert raised("O(N^2)") == "O(N²)"


def match(**changes: Any) -> dict[str, Any]:
    axes = {
        "params": {"before": 1_000_000, "after": 1_309_000, "relative": 0.309},
        "macs": {"before": 4e9, "after": 5e9, "relative": 0.25},
        "memory": {"before": 2**20, "after": 2**21, "relative": 1.0},
    }
    return {
        "layout": "a", "axis": "params", "target": 1.31e6, "value": 1_309_000, "error": -1 / 1310,
        "by": "width", "changes": {"widths": {"before": [64, 128], "after": [72, 144]}}, "axes": axes,
        "note": "",
    } | changes  # fmt: skip


def test_budget_table(opened: Open, frame: pd.DataFrame) -> None:
    left = {"value": None, "error": None, "changes": {}, "axes": {}, "note": "a timm model has one size"}
    fact = MatchFact.from_json({"rows": [match(), match(layout="b", **left)]})
    table = budget_table(opened(frame, facts=[fact]))
    assert table is not None
    assert [cell.text for cell in table.rows[0]] == [
        "a", "widths 64 128 → 72 144", "1.309", "−0.08", "5.000", "4.000", "+25.00", "2.000", "1.000",
        "+100.00", "",
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[1]] == ["b", "nothing", *["–"] * 8, "a timm model has one size"]
    assert "1.310 M parameters by their width" in table.caption
    assert budget_table(opened(frame)) is None


def test_a_report_holds_them_all(
    opened: Open, frame: pd.DataFrame, formulas: FormulaFact, tmp_path: Path
) -> None:
    facts = [MatchFact.from_json({"rows": [match()]}), formulas]
    files = write_results(opened(frame, baseline="soft", facts=facts), tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in files}
    for name in ("exponents", "crossovers", "formulas", "budget"):
        assert {f"tables/{name}.{suffix}" for suffix in ("csv", "md", "tex")} <= names
    page = (tmp_path / "report.html").read_text()
    assert "Crossovers with soft" in page
    assert "growth with the resolution: resolutions 64, 128, 256" in page
