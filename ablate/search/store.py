"""The Optuna study behind a search: one SQLite file, and a sampler that survives being killed.

Every trial is drawn by a fresh sampler whose seed is made of the search's seed and the trial's place in the
order. A sampler then has no memory but the file, and a search that was killed and resumed proposes what an
uninterrupted one would have proposed.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from ablate.errors import AblateError
from ablate.study.study import Search

POPULATION = 20  # of NSGA-II; Optuna's 50 would leave short searches at random
REASON = "reason"  # the attribute of every trial that failed by itself; an interrupted one has none
_NAME = "search"
_MADE_OF = "made of"


class Store:
    """The trials of a search, in the order they were asked for."""

    def __init__(
        self, path: Path, search: Search, distributions: Mapping[str, BaseDistribution], made_of: str
    ):
        """Open or create the store. `made_of` is a hash of everything that the trials' values depend on.

        Raises `AblateError` when the file holds another search, or is no store at all.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        self._distributions = dict(distributions)
        url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
        try:
            self._storage = optuna.storages.RDBStorage(url, engine_kwargs={"creator": lambda: _connect(path)})
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=_NAME,
                directions=[objective.direction for objective in search.objectives],
                load_if_exists=True,
            )
        except (DatabaseError, RuntimeError, ValueError) as error:
            raise AblateError(
                f"{path} is not the store of a search: {str(error).partition(chr(10))[0]}"
            ) from error
        if not self._study.trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._study.set_metric_names([str(objective.metric) for objective in search.objectives])
            self._study.set_user_attr(_MADE_OF, made_of)
        elif self._study.user_attrs.get(_MADE_OF) != made_of:
            raise AblateError(
                f"{path} holds trials of another search: its section of the file, the training schedule, the "
                "code or torch has changed. Use another --out, or delete this file: the ledger keeps its rows"
            )
        self._retry_interrupted()
        self._count = len(self.settled())

    def close(self) -> None:
        """Leave one file behind, without a write-ahead log beside it."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def settled(self) -> list[FrozenTrial]:
        """The trials that count: finished, infeasible, or failed by themselves."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if _is_settled(trial)]

    def ask(self) -> Trial:
        """The next proposal, with all parameters set."""
        entropy = np.random.SeedSequence([self._search.seed, self._count])
        self._study.sampler = _sampler(self._search, int(entropy.generate_state(1)[0]))
        self._count += 1
        return self._study.ask(self._distributions)

    def tell(self, trial: Trial, values: list[float]) -> None:
        """Settle a trial with one value per objective."""
        self._study.tell(trial, values)

    def fail(self, trial: Trial, reason: str) -> None:
        """Settle a trial that has no values. The sampler learns nothing from it."""
        trial.set_user_attr(REASON, reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def _retry_interrupted(self) -> None:
        """Trials that a killed run left unfinished are closed, and what they proposed is proposed again."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() == self._distributions.keys():
                self._study.enqueue_trial(trial.params, skip_if_exists=False)
            self._study.tell(trial.number, state=TrialState.FAIL)


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a settled trial has values and keeps to all constraints."""
    return REASON not in trial.user_attrs and all(excess <= 0 for excess in trial.constraints.values())


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that does not wait for the disk at every one of the twenty commits that a trial makes. A
    killed process loses nothing by that; a power cut may lose the last trials."""
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _is_settled(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE or (
        trial.state == TrialState.FAIL and REASON in trial.user_attrs
    )


def _sampler(search: Search, seed: int) -> optuna.samplers.BaseSampler:
    samplers: dict[str, Any] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`
        sampler: optuna.samplers.BaseSampler = samplers[search.sampler]()
        return sampler
