"""The Optuna study behind a search: its storage, and a sampler that survives being killed.

Every trial is drawn by a fresh sampler whose seed is made of the search's seed and the trial's place in the
order. A sampler then has no memory but the storage, and a search that was killed and resumed proposes what an
uninterrupted one would have proposed.

Besides the trials that count there are two kinds that use up none: points beyond an exact bound, which are
complete, with their constraints, so that the sampler learns where the bounds are; and networks that were
proposed before, which are failed trials, of which the sampler learns nothing.
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
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from ablate.errors import AblateError
from ablate.search.samplers import check_sampler, make_sampler
from ablate.study.search import Search

FILE = "search.sqlite"
REASON = "reason"  # the attribute of every trial that failed by itself; an interrupted one has none
BEYOND = "beyond"  # of a point beyond an exact bound
REPEATED = "repeated"  # of a network that was proposed before
STOPPED = "stopped"  # of a trial that a rung stopped: training images seen
_MADE_OF = "made of"


class Store:
    """The trials of a search, in the order they were asked for."""

    def __init__(
        self,
        storage: Path | str | BaseStorage,
        search: Search,
        distributions: Mapping[str, BaseDistribution],
        made_of: str,
        *,
        name: str = "search",
    ):
        """Open or create the study `name` in a file, at a URL, or in a storage of Optuna's. `made_of` is a
        hash of everything that the trials' values depend on.

        Raises `AblateError` when it holds another search, cannot be reached, or is no storage at all.
        """
        check_sampler(search.sampler, len(search.objectives))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        self._distributions = dict(distributions)
        shown = storage if isinstance(storage, Path) else "the search's storage"
        try:
            self._storage = _opened(storage)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=[objective.direction for objective in search.objectives],
                load_if_exists=True,
            )
        except (SQLAlchemyError, RuntimeError, ValueError, ImportError) as error:
            raise AblateError(
                f"{shown} is not the store of a search: {str(error).partition(chr(10))[0]}"
            ) from error
        if not self._study.trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._study.set_metric_names([str(objective.metric) for objective in search.objectives])
            self._study.set_user_attr(_MADE_OF, made_of)
        elif self._study.user_attrs.get(_MADE_OF) != made_of:
            raise AblateError(
                f"{shown} holds trials of another search: its section of the file, the schedule, "
                "the code or torch has changed. Use another --out, or delete this "
                "file: the ledger keeps its rows"
            )
        self._retry_interrupted()
        self._count = sum(map(_is_over, self.all_trials()))

    def close(self) -> None:
        """Leave one file behind, without a write-ahead log beside it."""
        if isinstance(self._storage, RDBStorage):
            self._storage.remove_session()
            self._storage.engine.dispose()

    def all_trials(self) -> list[FrozenTrial]:
        """Every trial, also those that were interrupted."""
        return self._study.get_trials(deepcopy=False)

    def settled(self) -> list[FrozenTrial]:
        """The trials that count: measured, stopped by a rung, or failed by themselves."""
        return [trial for trial in self.all_trials() if _is_settled(trial)]

    @property
    def asked(self) -> int:
        """How many trials were asked for, interrupted ones once."""
        return self._count

    def beyond(self) -> list[FrozenTrial]:
        """Points beyond an exact bound."""
        return [trial for trial in self.all_trials() if BEYOND in trial.user_attrs]

    def repeated(self) -> int:
        """How often a network was proposed again."""
        return sum(REPEATED in trial.user_attrs for trial in self.all_trials())

    def ask(self, params: Mapping[str, Any] | None = None) -> Trial:
        """The next proposal, with all parameters set; by the sampler, or these parameters."""
        if params is not None:
            self._study.enqueue_trial(dict(params))
        entropy = np.random.SeedSequence([self._search.seed, self._count])
        seed = int(entropy.generate_state(1)[0])
        self._study.sampler = make_sampler(self._search.sampler, seed, self._search.seed)
        self._count += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return self._study.ask(self._distributions)

    def tell(self, trial: Trial, values: list[float]) -> None:
        """Settle a trial with one value per objective."""
        self._study.tell(trial, values)

    def fail(self, trial: Trial, reason: str) -> None:
        """Settle a trial that has no values. The sampler learns nothing from it."""
        trial.set_user_attr(REASON, reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def put_by(self, trial: Trial, attribute: str, values: list[float] | None = None) -> None:
        """End a trial that does not count; with values the sampler learns from its constraints."""
        trial.set_user_attr(attribute, True)
        if values is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, values)

    def _retry_interrupted(self) -> None:
        """Trials that a killed run left unfinished are closed, and what they proposed is proposed again."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() == self._distributions.keys():
                self._study.enqueue_trial(trial.params, skip_if_exists=False)
            self._study.tell(trial.number, state=TrialState.FAIL)


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a settled trial has values and keeps to all constraints."""
    return REASON not in trial.user_attrs and all(excess <= 0 for excess in trial.constraints.values())


def _opened(storage: Path | str | BaseStorage) -> BaseStorage:
    if isinstance(storage, BaseStorage):
        return storage
    if isinstance(storage, str):
        return RDBStorage(storage)
    url = URL.create("sqlite", database=str(storage.resolve())).render_as_string()
    return RDBStorage(url, engine_kwargs={"creator": lambda: _connect(storage)})


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that does not wait for the disk at every one of the twenty commits that a trial makes. A
    killed process loses nothing by that; a power cut may lose the last trials."""
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _is_settled(trial: FrozenTrial) -> bool:
    return (trial.state == TrialState.COMPLETE and BEYOND not in trial.user_attrs) or (
        trial.state == TrialState.FAIL and REASON in trial.user_attrs
    )


def _is_over(trial: FrozenTrial) -> bool:
    """Whether a trial has ended by itself, whether it counts or not."""
    return _is_settled(trial) or BEYOND in trial.user_attrs or REPEATED in trial.user_attrs
