"""Searches that stop: what is kept, what is done again, and which folder is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.run.lock import only_writer
from ablate.run.records import Outcome
from ablate.search import run_search
from ablate.search.store import BEYOND, FILE, Store
from ablate.study.goals import parse_constraint
from ablate.study.load import load_study


def proposals(out: Path) -> list[dict[str, Any]]:
    """Parameters of the trials that count, in order."""
    trials = optuna.load_study(study_name="search", storage=f"sqlite:///{out}/{FILE}").trials
    done = optuna.trial.TrialState.COMPLETE
    return [trial.params for trial in trials if trial.state == done and BEYOND not in trial.user_attrs]


def test_a_second_call_goes_on_with_the_first(training: Any, trained: Any, tmp_path: Path) -> None:
    run_search(trained(), tmp_path, trials=5, executor=training)
    before = proposals(tmp_path)
    assert training.layouts
    result = run_search(trained(), tmp_path, trials=9, executor=training)
    assert len(result.trials) == 9
    assert proposals(tmp_path)[:5] == before
    assert all(training.layouts.count(layout) == 2 for layout in training.layouts)
    jobs = len(training.layouts)
    assert len(run_search(trained(), tmp_path, trials=9, executor=training).trials) == 9
    assert len(training.layouts) == jobs


def test_ctrl_c_changes_nothing_but_the_time(training: Any, trained: Any, tmp_path: Path) -> None:
    whole = run_search(trained(), tmp_path / "whole", trials=9, executor=training)
    jobs = len(training.layouts)
    usual = training.outcome

    def stop(layout: Layout, seed: int) -> Outcome:
        if len(training.layouts) == jobs + 7:
            raise KeyboardInterrupt
        return usual(layout, seed)

    training.outcome = stop
    with pytest.raises(KeyboardInterrupt):
        run_search(trained(), tmp_path / "parts", executor=training)
    training.outcome = usual
    parts = run_search(trained(), tmp_path / "parts", trials=9, executor=training)
    assert proposals(tmp_path / "parts") == proposals(tmp_path / "whole")
    assert len(training.layouts) == 2 * jobs + 1  # the job that was stopped is done again, and no other
    measured = ["params", "macs", "accuracy", "feasible", "repeats"]
    assert parts.trials[measured].equals(whole.trials[measured])


def test_a_stop_between_the_trials_of_a_batch(
    training: Any, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_search(trained(), tmp_path / "whole", trials=10, executor=training)
    tell, told = Store.tell, []
    stop_at = 6

    def stop(store: Store, trial: optuna.Trial, values: list[float]) -> None:
        tell(store, trial, values)
        told.append(trial.number)
        if len(told) == stop_at:  # between the trials of a batch
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "tell", stop)
    with pytest.raises(KeyboardInterrupt):
        run_search(trained(), tmp_path / "parts", trials=10, executor=training)
    jobs = len(training.layouts)
    monkeypatch.setattr(Store, "tell", tell)
    assert len(run_search(trained(), tmp_path / "parts", trials=10, executor=training).trials) == 10
    assert proposals(tmp_path / "parts") == proposals(tmp_path / "whole")
    assert len(training.layouts) > jobs


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from conftest import Training, trained_to
from ablate.study.goals import parse_constraint
from ablate.study.load import load_study
from ablate.search import run_search

def outcome(layout, seed):
    if len(training.layouts) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return trained_to(50.0)

training = Training(outcome)
run_search(load_study(sys.argv[1]), Path(sys.argv[2]), trials=8, executor=training)
"""


def test_a_killed_search_loses_the_cell_in_flight(training: Any, trained_text: str, tmp_path: Path) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "out"
    file.write_text(trained_text)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, file, out, Path(__file__).parent], timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    usual = training.outcome(Layout("conv", depths=2), 10)
    training.outcome = lambda layout, seed: usual
    study = load_study(file)
    result = run_search(study, out, trials=8, executor=training)
    assert len(result.trials) == len(proposals(out)) == 8
    resumed = len(training.layouts)
    run_search(study, tmp_path / "whole", trials=8, executor=training)
    assert proposals(out) == proposals(tmp_path / "whole")
    assert resumed == (len(training.layouts) - resumed) - 5  # five cells had been kept


def test_another_search_is_refused(training: Any, trained: Any, tmp_path: Path) -> None:
    study = trained()
    run_search(study, tmp_path, trials=2, executor=training)
    longer = study.measure.model_copy(
        update={"accuracy": study.measure.accuracy.model_copy(update={"epochs": 9})}
    )
    space = study.search.space.model_copy(update={"widths": ((16, 24, 32), (32,))})
    others = [
        trained(seed=1),
        trained(space=space),
        trained(constraints=(parse_constraint("params <= 15k"),)),
        trained(objectives=study.search.objectives[:1]),
        replace(study, measure=longer),
    ]
    for other in others:
        with pytest.raises(AblateError, match=r"another search|not the store"):
            run_search(other, tmp_path, trials=3, executor=training)
    assert len(run_search(study, tmp_path, trials=3, executor=training).trials) == 3


def test_a_file_that_is_no_store(counted: Any, training: Any, tmp_path: Path) -> None:
    (tmp_path / "search.sqlite").write_text("not a database, and long enough to be taken for one" * 40)
    with pytest.raises(AblateError, match="not the store of a search"):
        run_search(counted(), tmp_path, trials=1, executor=training)


def test_two_searches_in_one_folder(counted: Any, training: Any, tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(AblateError, match="is being written by process"):
        run_search(counted(), tmp_path, trials=1, executor=training)
    assert len(run_search(counted(), tmp_path, trials=1, executor=training).trials) == 1


def test_progress_never_goes_back(training: Any, trained: Any, tmp_path: Path) -> None:
    seen: list[tuple[float, int]] = []
    run_search(
        trained(), tmp_path, executor=training, trials=6, watch=lambda done, total: seen.append((done, total))
    )
    assert seen == sorted(seen)
    assert seen[0] == (0, 6)
    assert seen[-1] == (6, 6)
    assert any(done % 1 for done, _ in seen)
