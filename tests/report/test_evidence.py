"""What a study knows of one quantity of one layout."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from ablate.measurements.register import quantity
from ablate.report.evidence import evidence, judged
from ablate.report.results import Results
from ablate.study.expect import parse_expectation
from ablate.study.expect_quantities import known_quantities


def test_a_layout_that_trains_by_a_recipe_of_its_own_has_evidence(
    opened: Callable[..., Results], study_of: Callable[..., pd.DataFrame]
) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3)
    for index in frame.index:
        if (frame.at[index, "kind"], frame.at[index, "layout"]) == ("accuracy", "b"):
            frame.at[index, "condition"] = frame.at[index, "condition"] | {"recipe": "adamw"}
    results = opened(frame, study="s", baseline="a")
    for layout in ("a", "b"):
        known = evidence(results, quantity("accuracy"), layout)
        assert isinstance(known, dict)
        assert set(known) == {0, 1, 2}


def test_a_line_is_judged_on_the_data_set_that_it_names(
    opened: Callable[..., Results], study_of: Callable[..., pd.DataFrame]
) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3)
    runs = frame[frame["kind"] == "accuracy"].copy()
    more = runs.copy()
    for index in more.index:
        more.at[index, "condition"] = more.at[index, "condition"] | {"dataset": "reach(size=16)"}
        more.at[index, "values"] = more.at[index, "values"] | {
            "top1": 40.0 + (more.at[index, "layout"] == "a")
        }
    results = opened(pd.concat([frame, more], ignore_index=True), study="s", baseline="a")
    line = "accuracy of a{on} = accuracy of b{on} within 50"
    gaps = {
        on: judged(results, parse_expectation(line.format(on=on), known_quantities())).gap
        for on in ("", " on fashion-mnist", " on reach", " on flag")
    }
    assert gaps[" on reach"] == 1
    assert gaps[""] == gaps[" on fashion-mnist"] != 1
    assert math.isnan(gaps[" on flag"])
