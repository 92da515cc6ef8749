"""What figures draw: every curve, consistent looks, readable ticks, nothing without data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablate.report import overlap, style
from ablate.report.crossings import Crossing
from ablate.report.drawing import Drawn
from ablate.report.figures.pareto import pareto_figure
from ablate.report.figures.search_history import search_history_figure
from ablate.report.fronts import goals, on_front
from ablate.report.register import figure_entries
from ablate.report.results import Results
from ablate.report.tables.search import search_table
from ablate.run.facts import SearchFact, TrialRecord

Make = Callable[..., pd.DataFrame]
Open = Callable[..., Results]
Draw = Callable[..., dict[str, Drawn]]


@pytest.fixture(autouse=True)
def _paper() -> Iterator[None]:
    with style.paper_style():
        yield


@pytest.fixture
def figures(opened: Open, monkeypatch: pytest.MonkeyPatch) -> Draw:
    crossing = Crossing("alternate-key_only", "alternate-softmax", "macs", "cheaper from", 300, value=4e9)
    for name in ("macs", "memory", "latency"):
        monkeypatch.setattr(f"ablate.report.figures.{name}.crossings", lambda results: [crossing])

    def draw(frame: pd.DataFrame, **options: object) -> dict[str, Drawn]:
        results = opened(frame, **options)
        made = (entry.make(results) for entry in figure_entries())
        return {drawn.name: drawn for drawn in made if isinstance(drawn, Drawn)}

    return draw


def test_a_full_study_gives_all_figures(
    figures: Draw, full_study: pd.DataFrame, texts: dict[str, str]
) -> None:
    drawn = figures(full_study, texts=texts)
    assert list(drawn) == ["macs", "memory", "latency", "accuracy", "stages"]
    panel = drawn["macs"].figure.axes[0]
    ticks = [int(tick) for tick in panel.get_xticks()]
    assert set(ticks) <= {224, 384, 512, 768, 1024}
    assert ticks[0] == 224
    assert ticks[-1] == 1024
    curve = next(c for c in panel.containers if c.lines[0].get_color() == "#0173b2")
    np.testing.assert_allclose(curve.lines[0].get_xdata(orig=False), [224, 384, 512, 768, 1024])
    assert curve.lines[0].get_ydata(orig=False)[0] == pytest.approx(2.205)
    assert "from 300 px" in drawn["macs"].caption
    assert "alternate-softmax at 512 px (oom)" in drawn["latency"].caption
    assert "graft3-window" in drawn["accuracy"].caption


def test_figures_without_data_are_left_out(figures: Draw, study_of: Make) -> None:
    drawn = figures(study_of(("a", "b"), resolutions=(224, 448), kinds=("complexity",)))
    assert list(drawn) == ["macs", "memory", "stages"]
    assert not figures(study_of(("a",), resolutions=(224,), kinds=("accuracy",)))


def test_one_resolution_gives_dots_with_names(figures: Draw, study_of: Make) -> None:
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
    one_mixer_of_ones_own = style.looks({"x": "alternate(conv, mine(a=1))", "y": "alternate(conv, softmax)"})
    assert len({look.color for look in one_mixer_of_ones_own.values()}) == 2


def test_looks_stay_distinct_when_mixers_repeat() -> None:
    looks = style.looks({f"b{size}": "alternate(conv, key_only)" for size in range(13)})
    assert len({(look.color, str(look.line)) for look in looks.values()}) == 13


@pytest.mark.parametrize("count", [2, 30])
def test_a_legend_is_never_clipped(figures: Draw, study_of: Make, count: int) -> None:
    layouts = [f"some_quite_long_name_patch16_{index}_224" for index in range(count)]
    for drawn in figures(study_of(layouts, resolutions=(224, 384), seeds=2)).values():
        figure = drawn.figure
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, drawn.name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, drawn.name


def test_hidden_curves_get_a_rim() -> None:
    curve = {224: 1.0, 448: 4.0}
    apart = {side: 9 * value for side, value in curve.items()}
    over = {side: 1.0001 * value for side, value in curve.items()}
    widths = overlap.widths({"under": curve, "apart": apart, "over": over})
    assert widths["under"] > widths["over"] == widths["apart"] == style.LINE


def test_equal_points_stand_side_by_side() -> None:
    places = overlap.side_by_side({"a": 2.0, "b": 2.0, "c": 4.0})
    assert places["a"] < 2.0 < places["b"]
    assert places["c"] == 4.0


GOALS = ("minimize macs", "maximize accuracy", "minimize params")


def test_front_is_what_nothing_beats(trials: list[TrialRecord]) -> None:
    front = on_front(trials, goals(GOALS[:2]))
    assert 2 < len(front) < 20
    for trial in trials:
        better = [
            other
            for other in trials
            if other.feasible
            and (other.metrics["macs"] or 0) <= (trial.metrics["macs"] or 0)
            and (other.metrics["accuracy"] or 0) >= (trial.metrics["accuracy"] or 0)
        ]
        assert (trial in front) == (trial.feasible and len(better) == 1)


def test_search_figures_for_one_two_and_three_objectives(
    opened: Open, study_of: Make, trials: list[TrialRecord]
) -> None:
    nothing = study_of(("a",), resolutions=(224,)).iloc[:0]
    for count, panels in ((1, 0), (2, 1), (3, 3)):  # a panel for each pair
        results = opened(nothing, facts=[SearchFact(GOALS[:count], tuple(trials))])
        drawn = pareto_figure(results)
        assert (len(drawn.figure.axes) if drawn is not None else 0) == panels
        history = search_history_figure(results)
        assert history is not None
        assert len(history.figure.axes) == 1
    table = search_table(opened(nothing, facts=[SearchFact(GOALS[:2], tuple(trials))]))
    assert table is not None
    assert len(table.raw) == 60
    heads = [column.header for column in table.columns]
    assert heads == ["trial", "Layout", "definition", "widths", "depths", "MACs (G)", "Top-1 (%)"]


def test_a_network_proposed_twice_is_on_the_front_once(trials: list[TrialRecord]) -> None:
    twice = [*trials, *(replace(trial, repeats=True) for trial in trials)]
    assert len(on_front(twice, goals(GOALS[:2]))) == len(on_front(trials, goals(GOALS[:2])))


def test_an_objective_needs_its_direction() -> None:
    with pytest.raises(ValueError, match="minimize macs"):
        goals(["macs"])


def test_a_search_of_small_layouts_is_shown_in_fitting_units_and_with_its_spread(
    opened: Open, study_of: Make
) -> None:
    trials = [
        TrialRecord(
            0, "a", "done", True, False, "conv", metrics={"macs": 862_300, "accuracy": 93.2}, spread=0.36
        ),
        TrialRecord(1, "b", "done", True, False, "conv", metrics={"macs": 1_728_000, "accuracy": 95.391}),
    ]
    nothing = study_of(("a",), resolutions=(224,)).iloc[:0]
    table = search_table(opened(nothing, facts=[SearchFact(GOALS[:2], tuple(trials))]))
    assert table is not None
    assert [column.header for column in table.columns][-2:] == ["MACs (M)", "Top-1 (%)"]
    assert [cell.text for cell in table.rows[0]][-2:] == ["0.8623", "93.20 ± 0.36"]
    assert [cell.text for cell in table.rows[1]][-1] == "95.39"
    assert "standard deviation over seeds" in table.caption


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("hybrid", ["hybrid"]),
        ("hybrid/global-heads+plain-ffn+small-kernel", ["hybrid/global-heads+", "plain-ffn+small-kernel"]),
        ("key_only, linear saliency", ["key_only, linear saliency"]),
        ("a" * 40, ["a" * 40]),
    ],
)
def test_long_names_are_broken_where_words_end(name: str, lines: list[str]) -> None:
    assert style.wrapped(name, 26).split("\n") == lines


def test_a_layout_s_look_is_its_own() -> None:
    looks = style.looks({f"layout {index}": f"[conv softmax pool]*{index + 1}" for index in range(25)})
    assert len({(look.color, look.marker) for look in looks.values()}) == 25
