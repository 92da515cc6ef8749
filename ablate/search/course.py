"""How a search went: what it proposed in vain, which parameters mattered, and both in words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from ablate.measurements.register import measurement, quantity
from ablate.run.facts import TrialRecord
from ablate.run.search_facts import CourseFact, EndFact
from ablate.search.propose import SAMPLE, Proposer
from ablate.search.space import SearchSpace
from ablate.search.store import STOPPED, Store, is_feasible
from ablate.study.search import Search

_LEAST = 10  # trials below which a share of the good ones says nothing


def course_of(search: Search, space: SearchSpace, store: Store, proposer: Proposer) -> CourseFact:
    """The fact that the ledger keeps."""
    return CourseFact(
        sampler=search.sampler,
        space=space.size,
        rate=proposer.rate,
        beyond=len(store.beyond()),
        repeated=store.repeated(),
        dial=proposer.solves,
        rungs=search.rungs.images if search.rungs is not None else (),
        importance=importance(search, space, store),
    )


def importance(search: Search, space: SearchSpace, store: Store) -> dict[str, dict[str, float]]:
    """PED-ANOVA (Watanabe et al., 2023): the share of each parameter in what sets the best tenth of the
    finished, feasible trials apart, by objective. Empty for fewer than 10 such trials."""
    done = [trial for trial in store.settled() if is_feasible(trial) and STOPPED not in trial.user_attrs]
    free = {name: space.distributions[name] for name, values in space.choices.items() if len(values) > 1}
    if len(done) < _LEAST or not free:
        return {}
    shares = {}
    for index, goal in enumerate(search.objectives):
        sign = 1.0 if goal.direction == "minimize" else -1.0
        study = optuna.create_study(direction="minimize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: trial.params[name] for name in free},
                    distributions=free,
                    value=sign * trial.values[index],
                )
                for trial in done
            ]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a parameter that all good trials agree on
            importances = PedAnovaImportanceEvaluator().evaluate(study)
        whole = sum(importances.values())
        shares[goal.metric] = {name: value / whole if whole else 0.0 for name, value in importances.items()}
    return shares


def remarks(
    search: Search,
    course: CourseFact,
    end: EndFact | None,
    records: Sequence[TrialRecord],
    exhausted: bool,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is printed of a search, and what a user should be warned of."""
    notes, warned = [], []
    if search.constraints:
        notes.append(
            f"{course.rate:.0%} of {SAMPLE} random points of the space are within the exact bounds"
            + ("; one width of a point beyond them was solved for" if course.dial else "")
        )
    if course.beyond or course.repeated:
        notes.append(
            f"{course.beyond} points beyond the bounds and {course.repeated} repeated ones used up no trial"
        )
    if exhausted:
        warned.append(
            f"stopped after {len(records)} trials: no further layout within the bounds was met in a space of "
            f"{course.space}"
        )
    for name in dict.fromkeys(goal.metric for goal in search.objectives):
        kind = quantity(name).kind
        if quantity(name).repeats and "judge" not in measurement(kind).settings.model_fields:
            warned.append(f"{kind} has no validation split: the search chose by the images it is tested on")
    if end is not None:
        notes += end_in_words(end)
    elif search.final is None and any(quantity(goal.metric).repeats for goal in search.objectives):
        warned.append(
            "the best layouts' values are those that they were chosen by, and flatter them; `final` trains "
            "them again, beside random layouts"
        )
    return tuple(notes), tuple(warned)


def end_in_words(end: EndFact) -> list[str]:
    """By how much the search beats random layouts, and how far its best fell back."""
    wanted = quantity(end.goal)
    unit = " points" if wanted.unit == "%" else f" {wanted.unit}" if wanted.unit else ""

    def amount(value: float) -> str:
        return f"{value / wanted.scale:.3g}"

    beats = end.beats
    words = [
        f"{wanted.label} of the best {beats.n} minus that of {beats.n} random layouts of the same cost, with "
        f"new seeds: {amount(beats.mean)}{unit} (95 % interval {amount(beats.low)} to {amount(beats.high)}): "
        f"{beats.verdict}"
    ]
    fell = end.fell
    words.append(
        f"with new seeds the best fell back by {amount(fell.mean)}{unit} (95 % interval {amount(fell.low)} "
        f"to {amount(fell.high)})"
        + (
            f", the winner {end.winner} by {amount(end.winner_fell)}{unit}"
            if end.winner_fell is not None
            else ""
        )
    )
    return words
