"""Layouts that were renamed, or are equal to others, keep what was measured of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate.report.comparisons import ratios_to_baseline
from ablate.report.results import Results

Open = Callable[..., Results]
STUDY = """\
study: names
input: {resolution: 16, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [8, 16], depths: [1, 1], head_dim: 8, mlp_ratio: 2}
layouts: {first: conv, second: softmax, third: softmax}
measure: {complexity: {resolutions: [16, 32], scaling: true}}
report: {baseline: first}
"""


def ratios(results: Results) -> dict[str, Any]:
    records = {name: results.done("throughput", layout=name)[0] for name in results.layouts}
    return {name: ratio.to_json() for name, ratio in ratios_to_baseline(results, records).items()}


def test_a_renamed_baseline_is_still_what_ratios_are_taken_to(
    opened: Open, study_of: Callable[..., pd.DataFrame]
) -> None:
    frame = study_of(("alternate-conv", "alternate-softmax", "graft3-linear"), resolutions=(224,), seeds=1)
    before = ratios(opened(frame, study="s", baseline="alternate-conv"))
    assert set(before) == {"alternate-softmax", "graft3-linear"}
    swapped = {"alternate-conv": "alternate-softmax", "alternate-softmax": "alternate-conv"}
    frame["layout"] = [swapped.get(name, name) for name in frame["layout"]]
    after = ratios(opened(frame, study="s", baseline="alternate-softmax"))
    assert after == {swapped.get(name, name): ratio for name, ratio in before.items()}


@pytest.mark.long
def test_renamed_and_equal_layouts_keep_their_crossings(ablate: Callable[..., Any], tmp_path: Path) -> None:
    file, out = tmp_path / "names.yaml", tmp_path / "out"
    file.write_text(STUDY)
    assert ablate("run", file, "--out", out, "--workers", 1).code == 0
    before = pd.read_csv(out / "tables" / "crossovers.csv")
    assert set(before["layout"]) == {"second", "third"}
    names = {"first": "one", "second": "two", "third": "three"}
    text = STUDY
    for old, new in names.items():
        text = text.replace(old, new)
    file.write_text(text)
    again = ablate("run", file, "--out", out, "--workers", 1)
    assert again.code == 0, again.err
    assert "0 cells executed" in again.out
    after = pd.read_csv(out / "tables" / "crossovers.csv")
    pd.testing.assert_frame_equal(before.replace(names), after)
