"""`seeds: auto(...)`: a study look by look, with more seeds each time, until every comparison is decided."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ablate.measurements.auto_seeds import AutoSeeds
from ablate.measurements.register import quantity
from ablate.run.facts import LooksFact
from ablate.run.ledger import Ledger
from ablate.statistics.compare import correct
from ablate.statistics.sequential import sequential_compare
from ablate.study.study import Study


def auto_seeds(study: Study) -> AutoSeeds | None:
    """The study's `seeds: auto(...)`, unless it stands at a look already."""
    accuracy = getattr(study.measure, "accuracy", None)
    seeds = getattr(accuracy, "seeds", None)
    return seeds if isinstance(seeds, AutoSeeds) and seeds.reached is None else None


def rounds(study: Study, auto: AutoSeeds, ledger: Ledger) -> Iterator[Study]:
    """The study at each look; the caller runs it before it asks for the next one.

    Ends when every layout's comparison to the baseline is decided after Holm's correction, or at the last
    look. Everything is worked out from the ledger, so that a study that was stopped takes the same way.
    """
    looks = auto.looks
    for place, count in enumerate(looks.seeds):
        at_look = study.measure.accuracy.model_copy(update={"seeds": auto.at(place)})
        yield replace(study, measure=study.measure.model_copy(update={"accuracy": at_look}))
        open_ = undecided(study, auto, ledger, count)
        ledger.write(LooksFact(looks.seeds, count, auto.difference, open_))
        if not open_:
            return


def undecided(study: Study, auto: AutoSeeds, ledger: Ledger, count: int) -> tuple[str, ...]:
    """The layouts whose difference to the baseline is not decided by the first `count` seeds.

    A layout without a pair of finished seeds is left out: more seeds would fail as well.
    """
    top1 = quantity("accuracy")
    values: dict[str, dict[int, float]] = {name: {} for name in study.layouts}
    for record in ledger.records():
        if record.kind == "accuracy" and record.values is not None and record.layout in values:
            value = top1.value(record.values)
            if not math.isnan(value):
                values[record.layout][int(record.at("seed"))] = value
    base = values.get(study.baseline, {})
    margin = study.report.equivalent_within or auto.difference
    family = {}
    for name, sample in values.items():
        order = [seed for seed in range(count) if seed in sample and seed in base]
        if name != study.baseline and len(order) > 1:
            family[name] = sequential_compare(sample, base, order, auto.looks, margin)
    return tuple(name for name, comparison in correct(family).items() if comparison.verdict == "not resolved")
