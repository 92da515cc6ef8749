"""What figures draw: every curve, consistent looks, readable ticks, nothing without data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from ablate.report import style
from ablate.report.drawing import Crossover, Drawn
from ablate.report.figures import all_figures
from ablate.report.pareto import on_front, pareto_figure, split_objective, trial_table
from ablate.report.results import Results

Make = Callable[..., pd.DataFrame]


@pytest.fixture(autouse=True)
def _paper() -> Iterator[None]:
    with style.paper_style():
        yield


def figures(frame: pd.DataFrame, **options: object) -> dict[str, Drawn]:
    crossing = Crossover("macs", "alternate-key_only", "alternate-softmax", 300, 4e9)
    return {d.name: d for d in all_figures(Results(frame, study="s", **options), [crossing])}  # type: ignore[arg-type]


def test_a_full_study_gives_all_figures(full_study: pd.DataFrame, texts: dict[str, str]) -> None:
    drawn = figures(full_study, texts=texts)
    assert list(drawn) == ["macs", "memory", "latency", "accuracy", "stages"]
    panel = drawn["macs"].figure.axes[0]
    assert [f"{tick:g}" for tick in panel.get_xticks()] == ["224", "384", "512", "768", "1024"]
    curve = next(c for c in panel.containers if c.lines[0].get_color() == "#0173b2")
    np.testing.assert_allclose(curve.lines[0].get_xdata(orig=False), [224, 384, 512, 768, 1024])
    assert curve.lines[0].get_ydata(orig=False)[0] == pytest.approx(2.205)
    assert "from 300 px" in drawn["macs"].caption
    assert "alternate-softmax at 512 px (oom)" in drawn["latency"].caption
    assert "graft3-window" in drawn["accuracy"].caption


def test_figures_without_data_are_left_out(study_of: Make) -> None:
    drawn = figures(study_of(("a", "b"), resolutions=(224, 448), kinds=("complexity",)))
    assert list(drawn) == ["macs", "memory", "stages"]
    assert not figures(study_of(("a",), resolutions=(224,), kinds=("accuracy",)))


def test_one_resolution_gives_dots_with_names(study_of: Make) -> None:
    drawn = figures(study_of(("a", "b", "c"), resolutions=(224,), seeds=1))
    for name in ("macs", "memory", "latency"):
        labels = [text.get_text() for text in drawn[name].figure.axes[0].get_yticklabels()]
        assert labels == ["a", "b", "c"], name


def test_looks_tell_mixers_by_colour_and_rules_by_line(texts: dict[str, str]) -> None:
    looks = style.looks(texts)
    assert looks["alternate-softmax"].color == looks["graft3-softmax"].color
    assert looks["alternate-softmax"].line != looks["graft3-softmax"].line
    assert looks["alternate-softmax"].marker != looks["graft3-softmax"].marker
    assert len({look.color for look in looks.values()}) == 4
    assert looks["alternate-softmax"] == style.looks({"x": "alternate(conv, softmax)"})["x"]


def test_looks_stay_distinct_when_mixers_repeat() -> None:
    looks = style.looks({f"b{size}": "alternate(conv, key_only)" for size in range(13)})
    assert len({(look.color, str(look.line)) for look in looks.values()}) == 13


@pytest.mark.parametrize("count", [2, 30])
def test_a_legend_is_never_clipped(study_of: Make, count: int) -> None:
    layouts = [f"some_quite_long_name_patch16_{index}_224" for index in range(count)]
    for drawn in figures(study_of(layouts, resolutions=(224, 384), seeds=2)).values():
        figure = drawn.figure
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, drawn.name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, drawn.name


def test_hidden_curves_get_a_rim() -> None:
    curve = pd.Series([1.0, 4.0], index=[224, 448])
    widths = style.widths({"under": curve, "apart": curve * 9, "over": curve * 1.0001})
    assert widths["under"] > widths["over"] == widths["apart"] == style.LINE


def test_equal_points_stand_side_by_side() -> None:
    places = style.side_by_side({"a": 2.0, "b": 2.0, "c": 4.0})
    assert places["a"] < 2.0 < places["b"]
    assert places["c"] == 4.0


def test_front_is_what_nothing_beats(trials: pd.DataFrame) -> None:
    front = on_front(trials, ["minimize macs", "maximize accuracy"])
    feasible = trials[trials["feasible"]]
    for index, trial in trials.iterrows():
        better = feasible[(feasible["macs"] <= trial["macs"]) & (feasible["accuracy"] >= trial["accuracy"])]
        assert front[index] == (trial["feasible"] and len(better) == 1)


def test_search_figures_for_one_two_and_three_objectives(trials: pd.DataFrame) -> None:
    three = trials.assign(params=3e6)
    goals = ["minimize macs", "maximize accuracy", "minimize params"]
    for count, panels in ((1, 1), (2, 1), (3, 2)):
        assert len(pareto_figure(three, goals[:count]).axes) == panels
    table = trial_table(trials, goals[:2])
    assert len(table.raw) == 60
    assert [column.header for column in table.columns] == ["trial", "definition", "MACs (G)", "Top-1 (%)"]


def test_a_network_proposed_twice_is_on_the_front_once(trials: pd.DataFrame) -> None:
    goals = ["minimize macs", "maximize accuracy"]
    twice = pd.concat([trials.assign(repeats=False), trials.assign(repeats=True)], ignore_index=True)
    assert on_front(twice, goals).sum() == on_front(trials, goals).sum()


def test_an_objective_needs_its_direction() -> None:
    with pytest.raises(ValueError, match="minimize macs"):
        split_objective("macs")


def test_a_search_of_small_layouts_is_shown_in_fitting_units_and_with_its_spread() -> None:
    trials = pd.DataFrame({"number": [0, 1], "macs": [862_300, 1_728_000], "accuracy": [93.2, 95.391]})
    trials["spread"] = [0.36, None]
    table = trial_table(trials, ["minimize macs", "maximize accuracy"])
    assert [column.header for column in table.columns] == ["trial", "MACs (M)", "Top-1 (%)"]
    assert [cell.text for cell in table.rows[0]][1:] == ["0.8623", "93.20 ± 0.36"]
    assert [cell.text for cell in table.rows[1]][2] == "95.39"
    assert "standard deviation over seeds" in table.caption
