"""Learning curves and the figures of notebooks: the numbers they draw are the frame's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate import figures
from ablate.errors import AblateError
from ablate.report.drawing import Drawn
from ablate.report.figures.learning import learning_figure
from ablate.report.frame import tidy
from ablate.report.results import Results
from ablate.report.style import one_column, paper_style

mpl.use("Agg")
Open = Callable[..., Results]
REFERENCE = Path(__file__).parents[2] / "results" / "scaling"


@pytest.fixture(scope="module")
def results(opened: Open, study_of: Callable[..., pd.DataFrame], texts: dict[str, str]) -> Results:
    frame = study_of(resolutions=(224, 448), seeds=3)
    for index in frame.index[frame["kind"] == "accuracy"]:
        seed = frame.at[index, "condition"]["seed"]
        frame.at[index, "values"]["curve"] = [(1000, 2.0 + 0.1 * seed), (2000, 1.0 + 0.2 * seed)]
    return opened(frame, texts=texts)


def test_curves_are_means_with_student_intervals(results: Results) -> None:
    drawn = learning_figure(results)
    assert isinstance(drawn, Drawn)
    (panel,) = drawn.figure.axes
    np.testing.assert_allclose(panel.lines[0].get_ydata(orig=False), [2.1, 1.2])
    half = stats.t.ppf(0.975, 2) * np.std([1.0, 1.2, 1.4], ddof=1) / np.sqrt(3)
    band = panel.collections[0].get_paths()[0].vertices
    at_end = band[band[:, 0] == 2000][:, 1]
    assert (at_end.min(), at_end.max()) == (pytest.approx(1.2 - half), pytest.approx(1.2 + half))
    assert len(panel.lines) == len(results.layouts)


def test_a_study_without_curves_has_no_figure(opened: Open, full_study: pd.DataFrame) -> None:
    assert learning_figure(opened(full_study)) is None


def test_one_column_is_one_column(results: Results) -> None:
    with paper_style(), one_column():
        drawn = learning_figure(results)
    assert isinstance(drawn, Drawn)
    assert drawn.figure.get_size_inches()[0] == pytest.approx(3.35)


def test_figures_of_the_tidy_frame(results: Results) -> None:
    frame = tidy(results)
    panel = figures.over_resolution(frame, "macs", relative_to="alternate-key_only")
    drawn = {line.get_label(): line for line in panel.lines}
    values = frame[(frame["quantity"] == "macs") & (frame["layout"] == "graft3-softmax")]["value"].to_numpy()
    base = frame[(frame["quantity"] == "macs") & (frame["layout"] == "alternate-key_only")][
        "value"
    ].to_numpy()
    np.testing.assert_allclose(drawn["graft3-softmax"].get_ydata(orig=False), values / base)
    means = figures.over_seeds(frame)
    assert [tick.get_text() for tick in means.get_yticklabels()] == list(results.layouts)
    chosen = frame[(frame["quantity"] != "macs") | (frame["resolution"] == 224)]
    points = figures.against(chosen, "macs", "accuracy")
    assert len(points.containers) == len(results.layouts)


def test_figures_draw_on_given_axes_and_say_what_is_wrong(results: Results) -> None:
    frame = tidy(results)
    _, panel = mpl.pyplot.subplots()
    assert figures.over_resolution(frame, ax=panel) is panel
    with pytest.raises(AblateError, match="several conditions; choose rows by resolution"):
        figures.against(frame)
    with pytest.raises(AblateError, match="did you mean 'alternate-softmax'"):
        figures.over_resolution(frame, relative_to="alternate-sofmax")
    with pytest.raises(AblateError, match="did you mean 'macs'"):
        figures.draw("mcs", REFERENCE)
    with pytest.raises(AblateError, match="accuracy was not measured by resolution"):
        figures.over_resolution(frame.assign(resolution=None), "accuracy")


def test_one_resolution_is_a_column_and_a_figure_too(
    opened: Callable[..., Results], study_of: Callable[..., pd.DataFrame]
) -> None:
    frame = tidy(opened(study_of(("a", "b"), resolutions=(224,), seeds=2), study="s", baseline="a"))
    assert set(frame.loc[frame["quantity"] == "macs", "resolution"]) == {224}
    drawn = figures.over_resolution(frame)
    assert [list(line.get_xdata(orig=False)) for line in drawn.lines[:2]] == [[224], [224]]


def test_a_reports_own_figure_from_its_folder() -> None:
    axes = figures.draw("macs", REFERENCE, column=True)
    assert len(axes) == 3
    assert axes[1].get_ylabel() == "MACs / softmax"
    assert axes[2].get_ylabel().startswith("MACs / ")  # those that lie on each other
