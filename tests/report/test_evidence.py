"""What a study knows of one quantity of one layout."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from ablate.report.evidence import evidence
from ablate.report.results import Results


def test_a_layout_that_trains_by_a_recipe_of_its_own_has_evidence(
    opened: Callable[..., Results], study_of: Callable[..., pd.DataFrame]
) -> None:
    frame = study_of(("a", "b"), resolutions=(224,), seeds=3)
    for index in frame.index:
        if (frame.at[index, "kind"], frame.at[index, "layout"]) == ("accuracy", "b"):
            frame.at[index, "condition"] = frame.at[index, "condition"] | {"recipe": "adamw"}
    results = opened(frame, study="s", baseline="a")
    for layout in ("a", "b"):
        known = evidence(results, "accuracy", layout)
        assert isinstance(known, dict)
        assert set(known) == {0, 1, 2}
