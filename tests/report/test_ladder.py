"""Tables and figure of ladders: known laws are found again, and what is no law is said."""

from __future__ import annotations

import random
from collections.abc import Callable

import pandas as pd
import pytest

from ablate.report import style
from ablate.report.drawing import Drawn
from ablate.report.figures.ladder import ladder_figure
from ablate.report.results import Results
from ablate.report.tables.ladder import ladder_table, law_table
from ablate.run.facts import LadderFact, LadderRecord, Rung

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]
SCALES = (0.5, 0.71, 1.0, 1.41, 2.0)


@pytest.fixture
def ladders(opened: Open, study_of: Make) -> Callable[..., Results]:
    """`b` needs twice the compute of `a`; `flat` does not care for size."""

    def make(scales: tuple[float, ...] = SCALES, noise: float = 0.02) -> Results:
        names = {f"{base}*{scale}": (base, scale) for base in ("a", "b", "flat") for scale in scales}
        frame = study_of(tuple(names), resolutions=(224,), seeds=5, kinds=("complexity", "accuracy"))
        random_ = random.Random(4)
        for index in frame.index:
            base, scale = names[frame.at[index, "layout"]]
            macs = 1e8 * scale**2
            if frame.at[index, "kind"] == "complexity":
                frame.at[index, "values"] = frame.at[index, "values"] | {"macs": round(macs)}
                continue
            effective = {"a": macs, "b": macs / 2, "flat": 1e8}[base]
            error = 5 + 4e5 / effective**0.6 * 1.0
            top1 = 100 - error * (1 + noise * random_.gauss(0, 0.3))
            frame.at[index, "values"] = frame.at[index, "values"] | {"top1": top1}
        fact = LadderFact(
            tuple(
                LadderRecord(base, tuple(Rung(f"{scale:g}", f"{base}*{scale}") for scale in scales))
                for base in ("a", "b", "flat")
            )
        )
        return opened(frame, study="s", baseline="a", facts=[fact])

    return make


def test_the_multiplier_is_found_with_its_interval(ladders: Callable[..., Results]) -> None:
    table = ladder_table(ladders())
    assert table is not None
    row = table.raw.set_index(["first", "second"]).loc[("b", "a")]
    assert row["multiplier"] == pytest.approx(0.5, rel=0.15)
    assert row["low"] < 0.5 < row["high"] < 1
    assert row["verdict"] == "worse"
    assert {"flat"} == {
        name for note in table.notes for name in ("a", "b", "flat") if note.startswith(name + ":")
    }


def test_what_is_no_law_is_said_and_not_drawn(ladders: Callable[..., Results]) -> None:
    results = ladders()
    laws = law_table(results)
    assert laws is not None
    raw = laws.raw.set_index("layout")
    assert raw.loc["a", "exponent"] > 0
    assert "does not beat a constant" in raw.loc["flat", "note"]
    with style.paper_style():
        drawn = ladder_figure(results)
    assert isinstance(drawn, Drawn)
    assert "No law: flat" in drawn.caption
    assert len(drawn.figure.axes[0].collections) >= 2  # a band each for two of three


def test_three_sizes_are_too_few(ladders: Callable[..., Results]) -> None:
    laws = law_table(ladders((0.5, 1.0, 2.0)))
    assert laws is not None
    assert set(laws.raw["note"]) == {"3 sizes; a law needs 4"}
    table = ladder_table(ladders((0.5, 1.0, 2.0)))
    assert table is not None
    assert table.raw["multiplier"].isna().all()


def test_a_study_without_a_ladder_has_none(opened: Open, study_of: Make) -> None:
    assert ladder_table(opened(study_of(("a", "b"), resolutions=(224,)))) is None
