"""The honest end: the best layouts are trained again with new seeds, beside random ones of the same cost.

The two are compared on the test split, by which the search has chosen nothing. How far the best fall back
from what the search saw of them is measured on the images that it chose by, so that it is luck alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.measurements.register import quantity
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor
from ablate.run.facts import TrialRecord
from ablate.run.ledger import Ledger
from ablate.run.records import Cell
from ablate.run.search_facts import Again, EndFact
from ablate.search.evaluate import Candidate, judged_on, needed_measures, selected
from ablate.search.space import SearchSpace
from ablate.statistics.compare import compare_differences
from ablate.statistics.front import spread_out
from ablate.statistics.seeds import unpaired_difference
from ablate.study.goals import Objective, is_counted
from ablate.study.search import Search
from ablate.study.study import Study

POOL = 200  # random layouts of which the partners are taken
NEAR = 0.1  # a partner's exact objectives are within a tenth of its layout's, where there is such a one


def retrain(
    study: Study,
    search: Search,
    space: SearchSpace,
    records: Sequence[TrialRecord],
    layouts: Mapping[str, Layout],
    ledger: Ledger,
    executor: Executor,
    count: Callable[[Sequence[Candidate]], None],
) -> EndFact | None:
    """Train the best `final.layouts` of the search again with `final.seeds` seeds that it has not used,
    under the study's full protocol, and as many random layouts within the same bounds.

    The best are taken front by front, spread out over the last one. Each has a random partner: of 200 random
    points of the space one whose exact objectives differ from the layout's by a tenth at most (or the
    nearest, where there is none), and that is none of the best. The comparison is over pairs, so that its
    interval holds for other random layouts too. None when no trial is finished.

    Raises `AblateError` when the measurement of the objective has no seeds.
    """
    assert search.final is not None
    goal = next(goal for goal in search.objectives if quantity(goal.metric).repeats)
    done = [record for record in records if record.status == "done" and not record.repeats]
    best = [
        done[index]
        for index in spread_out([_signed(record, search) for record in done], search.final.layouts)
    ]
    if not best:
        return None
    exact = [item.metric for item in search.objectives if is_counted(quantity(item.metric))]
    partners = _partners(search, space, best, layouts, exact, count)
    again = {record.layout: layouts[record.layout] for record in best}
    again |= {partner.name: partner.layout for partner in partners}
    seeds, values = _values(judged_on(study, "test"), search, goal, again, ledger, executor)
    chosen = {record.layout: layouts[record.layout] for record in best}
    _, chosen_by = _values(study, search, goal, chosen, ledger, executor)
    sign = 1.0 if goal.direction == "maximize" else -1.0
    pairs, lost = [], []
    seen: dict[str, list[float]] = {}
    for record, partner in zip(best, partners, strict=True):
        known = chosen_by.get(record.layout, {})
        ours, other, there = (
            {seed: value for seed, value in of.items() if seed in seeds}
            for of in (values.get(record.layout, {}), values.get(partner.name, {}), known)
        )
        if min(len(ours), len(other), len(there)) < len(seeds):
            lost.append(f"{record.layout} and {partner.name}")
            continue
        costs = {name: (float(record.metrics[name] or 0.0), partner.metrics[name]) for name in exact}
        seen[record.layout] = [value for seed, value in known.items() if seed not in seeds]
        mean = fmean(seen[record.layout])
        texts = (record.text, partner.layout.text)
        pairs.append(Again(record.layout, partner.name, *texts, mean, there, ours, other, costs))
    lower = goal.direction == "minimize"
    size = max(
        (abs(value) for pair in pairs for value in (*pair.best.values(), *pair.other.values())), default=0.0
    )
    beats = compare_differences(
        [fmean(pair.best.values()) - fmean(pair.other.values()) for pair in pairs],
        lower_is_better=lower,
        size=size,
    )
    fell = compare_differences(
        [sign * (pair.found - fmean(pair.again.values())) for pair in pairs], lower_is_better=True, size=size
    )
    fact = EndFact(goal.metric, not lower, tuple(seeds), tuple(pairs), beats, fell, lost=tuple(lost))
    return _with_winner(fact, seen, sign)


def _with_winner(fact: EndFact, seen: Mapping[str, Sequence[float]], sign: float) -> EndFact:
    """How far the one that looked best fell back, with Welch's interval where the search had seeds."""
    if not fact.pairs:
        return fact
    winner = max(fact.pairs, key=lambda pair: sign * pair.found)
    difference = unpaired_difference(
        [sign * value for value in seen[winner.layout]], [sign * value for value in winner.again.values()]
    )
    return replace(
        fact,
        winner=winner.layout,
        winner_fell=difference.mean,
        winner_low=difference.low,
        winner_high=difference.high,
    )


def _signed(record: TrialRecord, search: Search) -> list[float]:
    return [
        (1.0 if goal.direction == "minimize" else -1.0) * float(record.metrics[goal.metric] or 0.0)
        for goal in search.objectives
    ]


def _partners(
    search: Search,
    space: SearchSpace,
    best: Sequence[TrialRecord],
    layouts: Mapping[str, Layout],
    exact: Sequence[str],
    count: Callable[[Sequence[Candidate]], None],
) -> list[Candidate]:
    """A random layout of the same cost for each of the best."""
    rng = random.Random(f"{search.seed} partners")
    pool: dict[Layout, Candidate] = {}
    taken = {layouts[record.layout] for record in best}
    for number in range(POOL):
        layout = space.layout(space.drawn(rng), f"random-{number}")
        if layout not in taken:
            pool.setdefault(layout, Candidate(layout))
    count(list(pool.values()))
    usable = [item for item in pool.values() if not item.failure and item.within(search.constraints)]
    partners = []
    for record in best:
        if not usable:
            raise AblateError("`final` found no random layouts within the bounds to compare the best with")
        away = {
            item.name: max(
                (abs(math.log(item.metrics[name] / float(record.metrics[name] or 1.0))) for name in exact),
                default=0.0,
            )
            for item in usable
        }
        near = [item for item in usable if away[item.name] <= math.log1p(NEAR)]
        partner = near[0] if near else min(usable, key=lambda item: away[item.name])
        usable.remove(partner)
        partners.append(partner)
    return partners


def _values(
    study: Study,
    search: Search,
    goal: Objective,
    layouts: Mapping[str, Layout],
    ledger: Ledger,
    executor: Executor,
) -> tuple[list[int], dict[str, dict[int, float]]]:
    """The new seeds, and the goal's values on the study's split by layout and seed, new or not."""
    assert search.final is not None
    wanted = quantity(goal.metric)
    measures = needed_measures(study, {goal.metric}).model_copy(update={"complexity": None})
    settings = getattr(measures, wanted.kind)
    used = getattr(settings, "seeds", None)
    if not isinstance(used, int):
        raise AblateError(f"`final` needs new seeds, and the measurement {wanted.kind!r} has no `seeds`")
    more = settings.model_copy(update={"seeds": used + search.final.seeds})
    new = range(used, used + search.final.seeds)

    def is_new(cell: Cell) -> bool:
        return getattr(cell.condition, "seed", None) in new

    there = selected(study, layouts, measures.model_copy(update={wanted.kind: more}))
    run_study(there, ledger, executor, selected=is_new, command="search")
    values: dict[str, dict[int, float]] = {}
    for record in ledger.records():
        seed = record.at("seed")
        if record.at("judge") != getattr(settings, "judge", None):
            continue
        if record.kind == wanted.kind and seed is not None and record.values is not None:
            values.setdefault(record.layout, {})[int(seed)] = wanted.value(record.values)
    return list(new), values
