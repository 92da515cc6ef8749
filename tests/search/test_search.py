"""What a search finds, and that it trains what it must and nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.cell import Outcome
from ablate.run.plan import plan
from ablate.search import SearchSpace, run_search
from ablate.study.load import load_study


def cost(layout: Layout) -> tuple[int, int]:
    found = layout.cost(16, channels=1, classes=10)
    return found.macs, found.params


def trials_of(out: Path) -> list[optuna.trial.FrozenTrial]:
    (name,) = optuna.get_all_study_names(f"sqlite:///{out}/search.sqlite")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{out}/search.sqlite").trials


def test_the_front_is_the_true_one(counted: Any, tmp_path: Path) -> None:
    study = counted()
    points = {cost(SearchSpace.of(study).layout(params)) for params in SearchSpace.of(study).all_params()}
    feasible = {(macs, params) for macs, params in points if params <= 22_000}
    assert 5 < len(feasible) < len(points)
    true_front = {
        (macs, params)
        for macs, params in feasible
        if not any(
            m <= macs and p >= params and (m, p) != (macs, params) for m, p in feasible
        )
    }  # fmt: skip

    found = run_search(study, tmp_path)

    front = set(zip(found.front["macs"].astype(int), found.front["params"].astype(int), strict=True))
    assert front == true_front
    assert len(front) == len(found.front)  # a network that was proposed twice is shown once
    assert set(found.trials["status"]) == {"done", "infeasible"}
    assert found.warnings == ("60 trials in a space of 32: some are proposed again",)
    assert found.best_yaml is not None
    best = load_study(found.best_yaml)
    assert {cost(layout) for layout in best.layouts.values()} == true_front
    assert len(plan(best)) == len(best.layouts)


def test_tpe_learns_where_the_bounds_are(counted: Any, tmp_path: Path) -> None:
    # 14 of the 128 choices are small enough: thirty random ones hit 3.3, at most 8 in 99 of 100 cases
    study = counted(space=counted().search.space.model_copy(update={"widths": ((16, 64, 96, 128), (32, 96))}))
    feasible = run_search(study, tmp_path, trials=40).trials["feasible"].tolist()
    assert sum(feasible[10:]) >= 10  # the first ten trials are random


@pytest.mark.parametrize(  # TPE learns from ten trials on, NSGA-II from its second generation on
    ("sampler", "trials"), [("tpe", 12), ("random", 6), ("nsga2", 23)]
)
def test_the_seed_decides_what_is_proposed(
    sampler: str, trials: int, training: Any, trained: Any, tmp_path: Path
) -> None:
    def proposals(folder: str, seed: int) -> list[dict[str, Any]]:
        run_search(trained(sampler=sampler, seed=seed), tmp_path / folder, trials=trials)
        return [trial.params for trial in trials_of(tmp_path / folder)]

    first = proposals("a", 3)
    assert proposals("b", 3) == first
    if sampler == "random":
        assert proposals("c", 4) != first
    assert len({tuple(params.values()) for params in first}) > 3


def test_only_feasible_networks_are_trained_and_each_once(
    training: Any, trained: Any, tmp_path: Path
) -> None:
    found = run_search(trained(), tmp_path)
    assert len(found.trials) == 14
    frame = found.trials
    assert (frame["feasible"] == (frame["params"] <= 16_000)).all()
    assert 0 < frame["feasible"].sum() < len(frame)
    assert frame["repeats"].any()  # else the next line says little
    feasible = frame[frame["feasible"]]
    assert len(training.layouts) == 2 * feasible["name"].nunique()
    assert all(cost(layout)[1] <= 16_000 for layout in training.layouts)
    assert all(training.layouts.count(layout) == 2 for layout in training.layouts)
    # the mean over the seeds 0 and 1, and for repeats the same number again
    depths = feasible["depths"].map(lambda text: sum(map(int, text.split())))
    assert (feasible["accuracy"] == 10.0 * depths + 0.5).all()
    assert feasible["spread"].to_numpy() == pytest.approx(math.sqrt(0.5))
    assert frame.loc[~frame["feasible"], "accuracy"].isna().all()
    assert (frame.loc[~frame["feasible"], "reason"] == "not params <= 16k").all()


def test_how_infeasible_trials_are_stored(training: Any, trained: Any, tmp_path: Path) -> None:
    frame = run_search(trained(), tmp_path).trials
    for trial, (_, row) in zip(trials_of(tmp_path), frame.iterrows(), strict=True):
        assert trial.state == optuna.trial.TrialState.COMPLETE
        excess = trial.constraints["params <= 16k"]
        assert excess == pytest.approx(row["params"] / 16_000 - 1)
        assert trial.values == [row["macs"], row["accuracy"] if excess <= 0 else -math.inf]


def test_a_bound_on_accuracy_is_checked_after_training(training: Any, trained: Any, tmp_path: Path) -> None:
    from ablate.study.goals import parse_constraint

    study = trained(constraints=(parse_constraint("accuracy >= 25%"),))
    found = run_search(study, tmp_path)
    assert (found.trials["feasible"] == (found.trials["accuracy"] >= 25)).all()
    assert len(training.layouts) == 2 * found.trials["name"].nunique()
    assert (found.front["accuracy"] >= 25).all()


def test_a_failed_training_fails_its_trial_alone(training: Any, trained: Any, tmp_path: Path) -> None:
    def outcome(layout: Layout, seed: int) -> Outcome:
        if layout.stages[0].blocks[0].name == "pool" and seed == 1:
            return Outcome("diverged", {}, "the training loss is not finite at step 7")
        return Outcome("done", {"top1": 50.0})

    training.outcome = outcome
    found = run_search(trained(), tmp_path)
    frame = found.trials
    failed = frame[frame["status"] == "failed"]
    assert (failed["reason"] == "diverged: the training loss is not finite at step 7").all()
    assert (failed["text"].str.startswith("pool")).all()
    assert {"failed", "done"} <= set(frame["status"])
    assert not found.front["text"].str.startswith("pool").any()
    assert len(training.layouts) == 2 * frame[frame["status"] != "infeasible"]["name"].nunique()


def test_the_best_layouts_are_a_study(training: Any, trained: Any, tmp_path: Path) -> None:
    study = trained()
    found = run_search(study, tmp_path)
    assert found.best_yaml is not None
    best = load_study(found.best_yaml)
    assert best.measure == study.measure
    assert best.input == study.input
    assert list(best.layouts) == found.front["name"].tolist()
    by_name = {layout.name: layout for layout in training.layouts}
    for name, layout in best.layouts.items():
        assert layout == by_name[name]


def test_blocks_of_the_user_are_found_from_the_new_file(tmp_path: Path) -> None:
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
        "study: s\ninput: {resolution: 16, channels: 1, classes: 10}\nblocks: [twice.py]\n"
        "search:\n  objectives: [minimize macs]\n  space: {widths: [[16]], patterns: [search_twice]}\n"
    )
    found = run_search(load_study(file), tmp_path / "out" / "deep", trials=1)
    assert found.best_yaml is not None
    assert load_study(found.best_yaml).block_files[0].resolve() == tmp_path / "mine" / "twice.py"


def test_nothing_within_the_bounds(counted: Any, tmp_path: Path) -> None:
    from ablate.study.goals import parse_constraint

    found = run_search(counted(constraints=(parse_constraint("macs <= 1k"),)), tmp_path, trials=4)
    assert found.best_yaml is None
    assert found.front.empty
    assert not (tmp_path / "best.yaml").exists()
    assert found.trials["status"].tolist() == ["infeasible"] * 4


def test_a_study_without_a_search(counted: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(AblateError, match="no `search` section"):
        run_search(replace(counted(), search=None), tmp_path)
