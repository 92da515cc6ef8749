"""What a search finds, and that it trains what it must and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.plan import plan
from ablate.run.records import Outcome, failed
from ablate.search import SearchSpace, run_search
from ablate.search.samplers import check_sampler
from ablate.search.store import BEYOND, REPEATED
from ablate.study.goals import parse_constraint
from ablate.study.load import load_study


def cost(layout: Layout) -> tuple[int, int]:
    counted = layout.cost(16, channels=1, classes=10)
    return counted.macs, counted.params


def trials_of(out: Path) -> list[optuna.trial.FrozenTrial]:
    (name,) = optuna.get_all_study_names(f"sqlite:///{out}/search.sqlite")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{out}/search.sqlite").trials


def that_count(out: Path) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in trials_of(out) if not {BEYOND, REPEATED} & trial.user_attrs.keys()]


def test_the_front_is_the_true_one(counted: Any, training: Any, memory: Any, tmp_path: Path) -> None:
    study = counted()
    space = SearchSpace.of(study)
    points = {cost(space.layout(params)) for params in space.all_params()}
    feasible = {(macs, params) for macs, params in points if params <= 22_000}
    assert 5 < len(feasible) < len(points)
    true_front = {
        (macs, params)
        for macs, params in feasible
        if not any(
            m <= macs and p >= params and (m, p) != (macs, params) for m, p in feasible
        )
    }  # fmt: skip

    result = run_search(study, tmp_path, storage=memory, executor=training)

    front = set(zip(result.front["macs"].astype(int), result.front["params"].astype(int), strict=True))
    assert front == true_front
    assert len(front) == len(result.front)
    # sixty trials were asked for: every network within the bounds is one, once, and the search stops
    tried = list(zip(result.trials["macs"].astype(int), result.trials["params"].astype(int), strict=True))
    assert sorted(tried) == sorted(
        cost(layout) for layout in {space.layout(params) for params in space.all_params()}
        if cost(layout)[1] <= 22_000
    )  # fmt: skip
    assert result.warnings[0].startswith(f"stopped after {len(tried)} trials")
    assert not training.layouts
    assert result.best_yaml is not None
    best = load_study(result.best_yaml)
    assert {cost(layout) for layout in best.layouts.values()} == true_front
    assert len(plan(best)) == len(best.layouts)


@pytest.mark.parametrize(  # TPE learns from ten trials on, NSGA-II from its second generation on
    ("sampler", "trials"), [("tpe", 12), ("random", 6), ("nsga2", 13), ("qmc", 5), ("gp", 5), ("nsga3", 5)]
)
def test_the_seed_decides_what_is_proposed(
    sampler: str, trials: int, training: Any, trained: Any, tmp_path: Path
) -> None:
    def proposals(folder: str, seed: int) -> list[dict[str, Any]]:
        study = trained(sampler=sampler, seed=seed)
        storage = optuna.storages.InMemoryStorage()
        run_search(study, tmp_path / folder, trials=trials, storage=storage, executor=training)
        return [trial.params for trial in storage.get_all_trials(0)]

    first = proposals("a", 3)
    assert proposals("b", 3) == first
    if sampler == "random":
        assert proposals("c", 4) != first
    assert len({tuple(params.values()) for params in first}) > 3


def test_only_new_networks_within_the_bounds_are_trained_and_each_once(
    training: Any, trained: Any, tmp_path: Path
) -> None:
    result = run_search(trained(), tmp_path, executor=training)
    frame = result.trials
    assert len(frame) == 14
    assert set(frame["status"]) == {"done"}
    assert (frame["params"] <= 16_000).all()
    assert frame["name"].nunique() == 14
    assert len(training.layouts) == 2 * 14
    assert len(set(training.layouts)) == 14
    depths = frame["depths"].map(lambda text: sum(map(int, text.split())))
    assert (frame["accuracy"] == 10.0 * depths + 0.5).all()  # the mean over the seeds 0 and 1
    assert frame["spread"].to_numpy() == pytest.approx(math.sqrt(0.5))
    # what used up no trial is in the storage all the same, where the sampler can learn from the bounds
    assert result.course.beyond > 0 < result.course.repeated
    beyond = [trial for trial in trials_of(tmp_path) if BEYOND in trial.user_attrs]
    assert len(beyond) == result.course.beyond
    for trial in beyond:
        metrics = trial.user_attrs["metrics"]
        assert trial.constraints["params <= 16k"] == pytest.approx(metrics["params"] / 16_000 - 1)
        assert trial.constraints["params <= 16k"] > 0
        assert trial.values == [metrics["macs"], -math.inf]


def test_the_share_within_the_bounds_is_that_of_the_space(
    training: Any, trained: Any, memory: Any, tmp_path: Path
) -> None:
    study = trained()
    space = SearchSpace.of(study)
    everything = [cost(space.layout(params))[1] <= 16_000 for params in space.all_params()]
    true = sum(everything) / len(everything)
    result = run_search(study, tmp_path, trials=2, storage=memory, executor=training)
    assert result.course.rate == pytest.approx(true, abs=3 * math.sqrt(true * (1 - true) / 100))
    assert any(
        "of 100 random points of the space are within the exact bounds" in text for text in result.remarks
    )


def test_with_a_tight_budget_one_width_is_solved_for(
    training: Any, trained: Any, memory: Any, tmp_path: Path
) -> None:
    wide = trained().search.space.model_copy(update={"widths": (tuple(range(16, 257, 48)), (32, 64))})
    study = trained(space=wide)
    result = run_search(study, tmp_path, trials=8, storage=memory, executor=training)
    assert result.course.rate < 0.1
    assert result.course.dial
    assert len(result.trials) == 8
    assert (result.trials["params"] <= 16_000).all()
    # a point is made to fit at once, so that there are a few refusals a trial, and not a hundred
    assert result.course.beyond <= 3 * 8
    made_to_fit = [
        trial for trial in memory.get_all_trials(0)
        if "fixed_params" in trial.system_attrs and "name" in trial.user_attrs
    ]  # fmt: skip
    assert len(made_to_fit) >= 4
    space = SearchSpace.of(study)
    for trial in made_to_fit:  # the next larger value of the width that was solved for does not fit
        wider = [{**trial.params, "width1": trial.params["width1"] + 48}]
        wider += [{**trial.params, "width2": 64}] if trial.params["width2"] == 32 else []
        assert any(cost(space.layout(params))[1] > 16_000 for params in wider)


def test_a_bound_on_accuracy_is_checked_after_training(
    training: Any, trained: Any, memory: Any, tmp_path: Path
) -> None:
    study = trained(constraints=(parse_constraint("accuracy >= 25%"),))
    result = run_search(study, tmp_path, storage=memory, executor=training)
    assert (result.trials["feasible"] == (result.trials["accuracy"] >= 25)).all()
    assert {"done", "infeasible"} == set(result.trials["status"])
    assert len(training.layouts) == 2 * len(result.trials)
    assert (result.front["accuracy"] >= 25).all()


def test_a_failed_training_fails_its_trial_alone(
    training: Any, trained: Any, memory: Any, tmp_path: Path
) -> None:
    usual = training.outcome

    def outcome(layout: Layout, seed: int) -> Outcome:
        if layout.stages[0].blocks[0].name == "pool" and seed == 1:
            return failed("diverged", "the training loss is not finite at step 7")
        return usual(layout, seed)

    training.outcome = outcome
    result = run_search(trained(), tmp_path, storage=memory, executor=training)
    frame = result.trials
    lost = frame[frame["status"] == "failed"]
    assert (lost["reason"] == "diverged: the training loss is not finite at step 7").all()
    assert (lost["text"].str.startswith("pool")).all()
    assert {"failed", "done"} <= set(frame["status"])
    assert not result.front["text"].str.startswith("pool").any()
    assert len(training.layouts) == 2 * len(frame)


def test_the_best_layouts_are_a_study(training: Any, trained: Any, memory: Any, tmp_path: Path) -> None:
    study = trained()
    result = run_search(study, tmp_path, storage=memory, executor=training)
    assert result.best_yaml is not None
    best = load_study(result.best_yaml)
    assert best.measure == study.measure
    assert best.input == study.input
    assert list(best.layouts) == result.front["name"].tolist()
    by_name = {layout.name: layout for layout in training.layouts}
    for name, layout in best.layouts.items():
        assert layout == by_name[name]


def test_blocks_of_the_user_are_found_from_the_new_file(training: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "twice.py").write_text(
        "from torch import Tensor, nn\n"
        "from blocks import register\n\n"
        "@register('mixer', 'search_twice')\n"
        "class Twice(nn.Module):\n"
        '    """Doubles."""\n\n'
        "    def __init__(self, dim: int) -> None:\n"
        "        super().__init__()\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        return 2 * x\n"
    )
    file = tmp_path / "mine" / "s.yaml"
    file.write_text(
        "study: s\ninput: {resolution: 16, channels: 1, classes: 10}\nextensions: [twice.py]\n"
        "search:\n  objectives: [minimize macs]\n  space: {widths: [[16]], patterns: [search_twice]}\n"
    )
    result = run_search(load_study(file), tmp_path / "out" / "deep", trials=1, executor=training)
    assert result.best_yaml is not None
    assert load_study(result.best_yaml).extensions[0].resolve() == tmp_path / "mine" / "twice.py"


def test_nothing_within_the_bounds(counted: Any, training: Any, memory: Any, tmp_path: Path) -> None:
    bounds = (parse_constraint("macs <= 1k"),)
    result = run_search(counted(constraints=bounds), tmp_path, trials=4, storage=memory, executor=training)
    assert result.best_yaml is None
    assert result.front.empty
    assert result.trials.empty
    assert not (tmp_path / "best.yaml").exists()
    assert result.course.rate == 0
    assert "stopped after 0 trials" in result.warnings[0]


def test_a_study_without_a_search(counted: Any, training: Any, tmp_path: Path) -> None:
    with pytest.raises(AblateError, match="no `search` section"):
        run_search(replace(counted(), search=None), tmp_path, executor=training)


def test_samplers_that_cannot_do_it() -> None:
    with pytest.raises(AblateError, match=r"has one objective|pip install cmaes"):
        check_sampler("cmaes", 2)
    check_sampler("gp", 2)


def test_any_storage_of_optuna(training: Any, trained: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    run_search(trained(), tmp_path / "out", trials=3, storage=url, executor=training)
    assert not (tmp_path / "out" / "search.sqlite").exists()
    opened = optuna.load_study(study_name="tiny", storage=url)
    assert sum("name" in trial.user_attrs for trial in opened.trials) == 3
    again = run_search(trained(storage=url), tmp_path / "out", trials=3, executor=training)
    assert len(again.trials) == 3
    with pytest.raises(AblateError, match="not the store of a search"):
        run_search(trained(), tmp_path / "out", trials=3, storage="nosuch://x", executor=training)


def test_executors_take_the_trials_of_a_batch_side_by_side(
    training: Any, trained: Any, memory: Any, tmp_path: Path
) -> None:
    sizes = []
    usual = training.run

    def run(jobs: Any, *rest: Any) -> Any:
        sizes.append(len([job for job in jobs if job.kind == "accuracy"]))
        return usual(jobs, *rest)

    training.run = run
    run_search(trained(batch=3), tmp_path, trials=7, storage=memory, executor=training)
    assert [size for size in sizes if size] == [6, 6, 2]  # two seeds of each
